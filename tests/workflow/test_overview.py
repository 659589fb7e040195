"""The picture and the quantities of a run, requested by name."""

import json


def test_picture_and_quantities_are_made_on_request_and_do_not_affect_the_run(site):
    site.add_run(932)
    assert site.snakemake().returncode == 0
    document = site.document(932)
    picture = site.work / "results" / "000932" / "overview.png"
    assert not picture.exists()

    # matplotlib looks for this file, and cannot read it.
    broken = site.work / "matplotlibrc"
    broken.write_bytes(b"\xff\xfe\xff")
    failed = site.snakemake("results/000932/overview.png")
    assert failed.returncode != 0
    assert "overview failed, which does not affect the run" in failed.stdout
    assert not picture.exists()
    assert site.document(932) == document

    broken.unlink()
    files = [f"results/{name}" for name in ("000932/overview.png", "000932/quantities.json")]
    made = site.snakemake(*files, "results/index.html")
    assert made.returncode == 0, made.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (site.work / "results" / "index.html").is_file()
    after = site.document(932)
    health = after["processing"].pop("health")
    assert after == document, "a look does not publish the run again"
    assert (health["verdict"], health["odd"], health["known"]) == ("unknown", [], [])
    assert health["reference"].startswith("no earlier run of mode ")
    measured = json.loads((site.work / "results" / "000932" / "quantities.json").read_text())
    assert measured["quantities"]["live_fraction"]["value"] == 1
    assert "peak_basics is not stored" in measured["quantities"]["s1_rate"]["problem"]
    assert "Nothing to be done" in site.snakemake(*files).stdout
    assert (site.work / "logs" / "overview" / "000932.log").is_file()
