"""Where a call goes: the alias or version that is asked for, and what a weight or a routing key makes of it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_scf import facts


@dataclass(frozen=True)
class Match:
    """Sends calls with a routing key that matches to a version; ``method`` is "exact" or "range"."""

    version: str
    key: str
    method: str
    expression: str

    def is_range(self) -> bool:
        return _RANGE.fullmatch(self.expression) is not None

    def accepts(self, routing_key: Mapping[str, str]) -> bool:
        value = routing_key.get(self.key.removeprefix("invoke.headers."))
        if value is None:
            return False
        if self.method == "exact":
            return value == self.expression
        found = _RANGE.fullmatch(self.expression)
        try:
            number = float(value)
        except ValueError:
            return False
        assert found is not None
        least, most = float(found[2]), float(found[3])
        above = number > least if found[1] == "(" else number >= least
        return above and (number < most if found[4] == ")" else number <= most)


_RANGE = re.compile(r"\s*([(\[])\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*([)\]])\s*")


@dataclass(frozen=True)
class Alias:
    """A name for a version; part of the calls may go to others, by weight (0 to 1) or by routing key."""

    name: str
    version: str
    weights: Mapping[str, float]
    matches: tuple[Match, ...]
    description: str
    add_time: float
    mod_time: float

    def versions(self) -> set[str]:
        return {self.version, *self.weights, *(match.version for match in self.matches)}

    @classmethod
    def default(cls, now: float) -> Alias:
        """The alias $DEFAULT of a new function: all calls go to $LATEST."""
        return cls(facts.DEFAULT_ALIAS, facts.LATEST, {}, (), "", now, now)

    def choose(self, routing_key: str) -> str:
        """The version that one call goes to. Choice: calls with the same routing key go to the same version."""
        if self.matches and routing_key:
            keys = json.loads(routing_key)
            for match in self.matches:
                if match.accepts(keys):
                    return match.version
        if not self.weights:
            return self.version
        drawn = random.Random(routing_key or None).random()
        for version, weight in self.weights.items():
            drawn -= weight
            if drawn < 0:
                return version
        return self.version
