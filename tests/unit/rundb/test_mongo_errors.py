"""What pymongo's errors mean for a person."""

import pytest
from pymongo.common import MIN_SUPPORTED_SERVER_VERSION
from pymongo.errors import ConfigurationError as PyMongoConfigurationError
from pymongo.hello import Hello
from pymongo.server_description import ServerDescription
from pymongo.topology_description import TOPOLOGY_TYPE, TopologyDescription

from xamsflow.base.errors import ConfigurationError
from xamsflow.rundb.mongo_errors import OLDEST_SERVER, Endpoint
from xamsflow.state.layout import REPOSITORY


def test_the_oldest_server_is_the_one_that_pymongo_talks_to():
    assert OLDEST_SERVER == MIN_SUPPORTED_SERVER_VERSION
    guide = (REPOSITORY / "docs" / "how-to" / "run-database.md").read_text()
    assert f"MongoDB {OLDEST_SERVER} or later" in guide


def test_a_server_that_is_too_old_is_not_a_wrong_address():
    old = ServerDescription(
        ("vm", 27017), Hello({"ok": 1, "minWireVersion": 0, "maxWireVersion": 6})
    )
    known = TopologyDescription(TOPOLOGY_TYPE.Single, {old.address: old}, None, None, None, None)
    error = PyMongoConfigurationError(known._incompatible_err)
    with pytest.raises(ConfigurationError, match=f"vm is older than MongoDB {OLDEST_SERVER}"):
        raise Endpoint("vm").explain(error)
