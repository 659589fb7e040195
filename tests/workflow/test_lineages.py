"""From reprocessing beside earlier data to the switch and back, with the workflow."""

from xamsflow.analysis.site import open_site
from xamsflow.state import lineages

CONTEXT = """
from xamsflow.data import context as ours

def context(detector, processed, config):
    made = ours.context(detector, processed, config)
    name = "raw_records_v1730"
    present = next(one for one in ours.plugins(detector) if name in one.provides)
    made.register(type(present.__name__, (present,), {"__version__": VERSION}))
    return made
"""


def test_analysts_get_the_earlier_data_until_the_new_ones_are_accepted(make_site):
    site = make_site(context="my_context.context")
    module = site.work / "my_context.py"
    module.write_text(f"VERSION = '1'\n{CONTEXT}")
    site.add_run(931)
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    before = {path: content for path, content in site.tree().items() if "processed" in path}

    assert site.verb("reprocess", "931", "--beside", "--yes").returncode == 0
    # Of another length: Python compares only a file's size and second with its compiled copy.
    module.write_text(f"VERSION = '2.0'\n{CONTEXT}")
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert "not been compared" in site.verb("lineage", "931", "--accept", "--yes").stderr
    compared = site.verb("compare", "931")
    assert compared.returncode == 0, compared.stderr
    assert "raw_records" in compared.stdout
    assert "is 2.0, was 1" in compared.stdout

    def in_force():
        with open_site([site.configfile], directory=site.work, run_database=False) as opened:
            assert len(opened.load("raw_records_v1730", 931)) > 0
            return opened.loader.folder("000931", "raw_records_v1730")

    folders = [in_force()]
    for switch in ("--accept", "--back"):
        assert site.verb("lineage", "931", switch, "--yes").returncode == 0
        folders.append(in_force())
    assert folders[0] == folders[2] != folders[1]
    kept = lineages.read(folders[0].parent, "000931")
    assert folders[0].name.endswith(kept.earlier["raw_records_v1730"])
    after = site.tree()
    assert {path for path in before if after[path] != before[path]} <= {
        path for path in before if path.endswith(("000931-metadata.json", ".locks/000931"))
    }
