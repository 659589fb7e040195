"""What the dossier says in words."""

from xamsflow.state import layout, receipts
from xamsflow.views import dossier, dossier_text

EMPTY = {
    "run": "000932",
    "status": None,
    "facts": None,
    "transfer": None,
    "health": None,
    "registered": [],
    "history": [],
    "logs": [],
    "receipts": [],
}


def stored(data_type, n_items):
    facts = dict.fromkeys(("path", "n_chunks", "bytes", "start", "end", "lineage_hash"))
    return {"data_type": data_type, "n_items": n_items, "here": True, **facts}


def test_a_run_without_events_is_said_to_have_none():
    said = dossier_text.text(EMPTY | {"stored": [stored("events", 0)], "quality": None})
    assert "The run has no events." in said
    for others in ([stored("events", 3)], [stored("peaks", 0)]):
        assert "no events" not in dossier_text.text(EMPTY | {"stored": others, "quality": None})


def test_values_that_were_not_measured_are_named_with_their_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corrections = {
        "gains_v1724": {"file": "a", "provenance": "nominal", "why": "as for XAMS"},
        "electron_lifetime": {"file": "b", "provenance": "measured", "why": ""},
    }
    quality = {"verdict": "clean", "corrections": corrections}
    receipt = {"run_id": "000932", "stored": {}, "quality": quality}
    receipts.write(layout.data_type_receipt("000932", "events"), receipt)
    said = dossier_text.text(dossier.collect("000932", None))
    assert "gains v1724 nominal: as for XAMS" in said
    assert "lifetime" not in said
