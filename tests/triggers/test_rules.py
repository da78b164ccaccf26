"""What a TriggerDesc says, and when the rules of a bucket are in each other's way."""

from __future__ import annotations

import json

import pytest

from pytest_scf.triggers import rules
from pytest_scf.triggers.cron import CronError

BUCKET = "shots-1259990001.cos.ap-guangzhou.myqcloud.com"


def cos(event: str, prefix: str = "", suffix: str = "", bucket: str = BUCKET) -> rules.CosRule:
    found = rules.read("cos", bucket, json.dumps({"event": event, "filter": {"Prefix": prefix, "Suffix": suffix}}))
    assert isinstance(found, rules.CosRule)
    return found


@pytest.mark.parametrize(
    ("rule", "event", "key", "fires"),
    [
        (cos("cos:ObjectCreated:*"), "cos:ObjectCreated:Put", "a.csv", True),
        (cos("cos:ObjectCreated:*"), "cos:ObjectRemove:Delete", "a.csv", False),
        (cos("cos:ObjectCreated:Put"), "cos:ObjectCreated:Put", "a.csv", True),
        (cos("cos:ObjectCreated:Put"), "cos:ObjectCreated:Copy", "a.csv", False),
        (cos("cos:ObjectCreated:*", "in/", ".csv"), "cos:ObjectCreated:Put", "in/a.csv", True),
        (cos("cos:ObjectCreated:*", "in/", ".csv"), "cos:ObjectCreated:Put", "out/a.csv", False),
        (cos("cos:ObjectCreated:*", "in/", ".csv"), "cos:ObjectCreated:Put", "in/a.txt", False),
        (cos("cos:ObjectRemove:*"), "cos:ObjectRemove:DeleteMarkerCreated", "a", True),
    ],
)
def test_which_objects_a_rule_fires_for(rule: rules.CosRule, event: str, key: str, fires: bool) -> None:
    assert rule.fires(event, key) is fires


@pytest.mark.parametrize(
    ("one", "other", "conflicts"),
    [
        (cos("cos:ObjectCreated:*"), cos("cos:ObjectCreated:Put"), True),
        (cos("cos:ObjectCreated:*"), cos("cos:ObjectCreated:Put", "in/"), True),
        (cos("cos:ObjectCreated:Put"), cos("cos:ObjectCreated:Copy"), False),
        (cos("cos:ObjectCreated:*"), cos("cos:ObjectRemove:*"), False),
        (cos("cos:ObjectCreated:*", "in/"), cos("cos:ObjectCreated:*", "out/"), False),
        (cos("cos:ObjectCreated:*", "in/"), cos("cos:ObjectCreated:*", "in/sub/"), True),
        (cos("cos:ObjectCreated:*", "in/", ".csv"), cos("cos:ObjectCreated:*", "in/", ".txt"), False),
        (cos("cos:ObjectCreated:*", "in/", ".csv"), cos("cos:ObjectCreated:*", "", ".csv"), True),
        (cos("cos:ObjectCreated:*", "in/"), cos("cos:ObjectCreated:*", "", ".csv"), True),
        (cos("cos:ObjectCreated:*"), cos("cos:ObjectCreated:*", bucket="other"), False),
    ],
)
def test_one_event_fires_one_function_at_most(one: rules.CosRule, other: rules.CosRule, conflicts: bool) -> None:
    assert one.conflicts(other) is conflicts
    assert other.conflicts(one) is conflicts
    assert one.conflicts(one)


@pytest.mark.parametrize(
    ("kind", "text", "back"),
    [
        ("timer", "0 */5 * * * * *", {"cron": "0 */5 * * * * *"}),
        ("timer", '{"cron": "0 */5 * * * * *"}', {"cron": "0 */5 * * * * *"}),
        (
            "cos",
            '{"event":"cos:ObjectCreated:*"}',
            {"bucketUrl": "name", "event": "cos:ObjectCreated:*", "filter": {"Prefix": "", "Suffix": ""}},
        ),
        ("ckafka", "{}", {"maxMsgNum": 100, "offset": "latest", "retry": 10000, "timeOut": 60}),
        (
            "ckafka",
            '{"maxMsgNum":"5","offset":1709600000000,"retry":0,"timeOut":1,"consumerGroupName":"g"}',
            {"maxMsgNum": 5, "offset": "1709600000000", "retry": 0, "timeOut": 1, "consumerGroupName": "g"},
        ),
        ("cmq", "", {"filterType": 1, "filterKey": []}),
        ("cmq", '{"filterType":2,"filterKey":"a,b"}', {"filterType": 2, "filterKey": ["a", "b"]}),
        ("http", '{"AuthType":"NONE"}', {"AuthType": "NONE"}),
    ],
)
def test_as_it_is_given_back(kind: str, text: str, back: object) -> None:
    rule = rules.read(kind, "name", text)
    assert json.loads(rule.text) == back
    assert rules.read(kind, "name", rule.text) == rule


def test_a_description_of_kafka_changes_what_it_names() -> None:
    before = rules.read("ckafka", "name", '{"maxMsgNum":5,"consumerGroupName":"g"}')
    after = rules.read("ckafka", "name", '{"retry":3}', before=before)
    assert after == rules.CkafkaRule(most=5, retry=3, others={"consumerGroupName": "g"})


def test_tags() -> None:
    rule = rules.CmqRule(1, ("red", "blue"))
    assert rule.fires("green,blue")
    assert not rule.fires("green")
    assert not rule.fires("")
    assert rules.CmqRule().fires("")


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("cos", "{", "not JSON"),
        ("cos", "[]", "no JSON object"),
        ("cos", "{}", "event must be one of"),
        ("cos", '{"event":"cos:*"}', "event must be one of"),
        ("cos", '{"event":"cos:ObjectCreated:*","filter":"x"}', "filter must be an object"),
        ("cos", '{"event":"cos:ObjectCreated:*","filter":{"Suffix":"csv"}}', "must begin with a dot"),
        ("cos", '{"event":"cos:ObjectCreated:*","filter":{"Prefix":1}}', "must be strings"),
        ("ckafka", '{"maxMsgNum":0}', "maxMsgNum must be a number from 1"),
        ("ckafka", '{"retry":true}', "retry must be"),
        ("ckafka", '{"timeOut":61}', "timeOut must be"),
        ("ckafka", '{"offset":"first"}', "offset must be"),
        ("cmq", '{"filterKey":[1]}', "filterKey must be"),
        ("cmq", '{"filterType":3}', "filterType must be"),
        ("http", "x", "not JSON"),
    ],
)
def test_what_a_kind_does_not_take(kind: str, text: str, problem: str) -> None:
    with pytest.raises(rules.RuleError, match=problem):
        rules.read(kind, "name", text)


@pytest.mark.parametrize("text", ["", "* * *", '{"other": 1}', "{}"])
def test_what_is_no_schedule(text: str) -> None:
    with pytest.raises(CronError):
        rules.read("timer", "name", text)
