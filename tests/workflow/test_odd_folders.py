"""Only a run that cannot be started fails, for example because of its folder; others are done."""

import json

import pytest

ODD = {
    "a file": lambda folder: folder.write_text("x"),
    "a dangling link": lambda folder: folder.symlink_to("nowhere/at/all"),
    "a link to itself": lambda folder: folder.symlink_to(folder.name),
    "a folder for its claim": lambda folder: (folder / "claim.json" / "x").mkdir(parents=True),
}


@pytest.mark.parametrize("alone", [False, True])
def test_odd_runs_do_not_hold_up_others(alone, site):
    site.configure(storage={"processed": "data/{braces} {run_id}"})
    results = site.work / "results"
    results.mkdir()
    for number, make in enumerate(ODD.values(), start=902):
        site.add_run(number, duration=0.6, rate=50, on_disk=False)
        make(results / f"{number:06d}")
    told = {number: f"results/{number:06d}" for number in range(902, 902 + len(ODD))}
    told[906] = "there is no data type 'gone{x}'"
    site.add_run(906, duration=0.6, rate=50, on_disk=False)
    mark = {"name": "of_another_context", "targets": ["gone{x}"]}
    site.collection.update_one({"number": 906}, {"$set": {"processing.campaign": mark}})
    previewed = site.snakemake("-n")
    assert previewed.returncode == 0, previewed.stdout
    assert f"run 000906 cannot be started: {told[906]}" in previewed.stdout
    planned = json.loads(site.verb("plan", "--json").stdout)["runs"]
    troubles = {plan["run"]: plan["trouble"] for plan in planned}
    assert troubles["000906"].startswith(told[906])
    if not alone:
        site.add_run(901, duration=0.6, rate=50)
    first = site.snakemake()
    assert first.returncode == 1, first.stdout
    assert "Traceback" not in first.stdout
    if not alone:
        assert site.status(901) == "done", first.stdout
    for number, reason in told.items():
        processing = site.document(number)["processing"]
        assert site.status(number) == "failed"
        assert reason in processing["reason"]
        assert (processing["stage"], processing["failure"]) == ("claim", "configuration")
        assert f"run {number:06d} cannot be started" in first.stdout
    # A person has to act: the next driver leaves the runs alone.
    again = site.snakemake()
    assert again.returncode == 0, again.stdout
    assert {site.document(number)["processing"]["attempt"] for number in told} == {1}
