from xamsflow.base import usage


def test_what_a_process_has_used_is_written_under_snakemake_s_names(tmp_path):
    usage.write(tmp_path / "usage" / "process" / "000932.tsv", began=0.0)
    head, row = (tmp_path / "usage/process/000932.tsv").read_text().splitlines()
    used = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert used["max_vms"] == "NA"
    assert float(used["max_rss"]) > 10
    assert float(used["cpu_time"]) > 0
    hours, minutes, seconds = map(int, used["h:m:s"].split(":"))
    assert 3600 * hours + 60 * minutes + seconds == int(float(used["s"]))
