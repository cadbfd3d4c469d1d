"""The best plan by min-cost flow: request -> (skill, slot) -> (skills of people, slot) -> sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from tests.optimum.instances import DAY, TAIL, Instance, Request

#: What a plan costs for one request that is so many slots late.
Cost = Callable[[int], int]


def least_cost(instance: Instance, cost: Cost, *, worst: int) -> list[int] | None:
    """How late each request is in the cheapest plan in which none is later than ``worst`` slots.

    Slots late, in no order; None where there is no such plan. The plan knows all requests before.
    """
    flow = SimpleMinCostFlow()
    ids = count()
    source, sink = next(ids), next(ids)
    groups = Counter(instance.requests)
    lateness = _add_requests(flow, ids, groups, source, cost, worst)
    _add_people(flow, ids, instance, lateness[1], sink)
    flow.set_node_supply(source, len(instance.requests))
    flow.set_node_supply(sink, -len(instance.requests))
    if flow.solve() != flow.OPTIMAL:
        return None
    arcs, late = np.array(list(lateness[0])), list(lateness[0].values())
    return [slots for used, slots in zip(flow.flows(arcs), late, strict=True) for _ in range(used)]


_Node = tuple[str, int]


def _add_requests(
    flow: SimpleMinCostFlow, ids: count[int], groups: Counter[Request], source: int, cost: Cost,
    worst: int,
) -> tuple[dict[int, int], dict[_Node, int]]:  # fmt: skip
    """Arcs from requests to the slots they may have; slots late by arc, and the slots' nodes."""
    late_by_arc: dict[int, int] = {}
    nodes: dict[_Node, int] = {}
    for request, number in groups.items():
        node = next(ids)
        flow.add_arc_with_capacity_and_unit_cost(source, node, number, 0)
        for slot in range(request.release, min(request.due + worst + 1, DAY + TAIL)):
            place = request.skill, slot
            if place not in nodes:
                nodes[place] = next(ids)
            late = max(slot - request.due, 0)
            arc = flow.add_arc_with_capacity_and_unit_cost(node, nodes[place], number, cost(late))
            late_by_arc[arc] = late
    return late_by_arc, nodes


def _add_people(
    flow: SimpleMinCostFlow, ids: count[int], instance: Instance, places: dict[_Node, int],
    sink: int,
) -> None:  # fmt: skip
    room: Counter[tuple[frozenset[str], int]] = Counter()
    for one in instance.counsellors:
        room.update((one.skills, slot) for slot in range(one.start, one.end))
    for (skills, slot), number in room.items():
        node = next(ids)
        flow.add_arc_with_capacity_and_unit_cost(node, sink, number, 0)
        for skill in sorted(skills):
            if (skill, slot) in places:
                flow.add_arc_with_capacity_and_unit_cost(places[skill, slot], node, number, 0)


def least_worst(instance: Instance) -> int:
    """The least that the latest request can be late, in slots."""
    low, high = 0, 1
    while least_cost(instance, lambda _: 0, worst=high) is None:
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if least_cost(instance, lambda _: 0, worst=middle) is None:
            low = middle + 1
        else:
            high = middle
    return high
