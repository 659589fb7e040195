"""Thirty calls that users of strax and straxen make by habit, as they write them.

``st`` is the context of a site.
"""

import numpy as np
import pytest
import strax


class Large(strax.Plugin):
    """A plugin of an analyst."""

    depends_on = "event_basics"
    provides = "large"
    data_kind = "events"
    dtype = (*strax.time_fields, (("main S2 is large", "is_large"), np.bool_))

    def compute(self, events):
        large = events["s2_area"] > 1000
        return {"time": events["time"], "endtime": events["endtime"], "is_large": large}


HABITS = """
st.select_runs()
st.select_runs(run_mode="bg*")
st.select_runs(include_tags="good", exclude_tags=["bad", "messy"])
st.select_runs(available="event_info")
st.scan_runs()
st.list_available("event_info")
st.available_for_run("006800")
st.run_metadata("006800")["start"]
st.estimate_run_start_and_end("006800")
st.is_stored("006800", "event_info")
st.get_metadata("006800", "peaks")["chunks"]
st.key_for("006800", "peaks").lineage
st.lineage("006800", "event_info")
st.size_mb("006800", "peaks")
st.data_info("event_info")
st.show_config("event_info")
st.search_field("s1_area")
st.get_array("006800", "event_info")
st.get_df("006800", "event_info")
st.get_df(["006800", "007200"], "event_info")
st.get_df("006800", ("event_basics", "corrected_areas"))
st.get_df("006800", "event_info", selection="(s2_area > 100) & (s1_area > 1)", keep_columns=["cs1"])
st.get_array("006800", "peaks", seconds_range=(0, 1.5))
st.get_array("006800", "peaks", time_within=st.get_array("006800", "event_info")[0])
[chunk.data for chunk in st.get_iter("006800", "records")]
st.accumulate("006800", "peak_basics", fields="area")
st.define_run("_both", ["006800", "007200"]); st.get_df("_both", "event_info")
st.register(Large); st.make("006800", "large"); st.get_df("006800", ("event_info", "large"))
st.new_context(config={"electron_lifetime": 1e5}).get_df("006800", "corrected_areas")
st.plot_waveform("006800", seconds_range=(0, 0.1))
""".strip().splitlines()

NOT_HERE = {HABITS[-1]: "straxen adds it to contexts; site.display draws events"}


def test_how_many():
    assert len(HABITS) == 30
    assert set(NOT_HERE) <= set(HABITS)
    assert len(NOT_HERE) <= 3


@pytest.mark.parametrize("habit", [habit for habit in HABITS if habit not in NOT_HERE])
def test_a_habit(shared_site, habit):
    *before, last = habit.split("; ")
    names = {"st": shared_site.context(), "Large": Large}
    for statement in before:
        exec(statement, names)
    result = eval(last, names)
    assert result is None or np.size(result) > 0
