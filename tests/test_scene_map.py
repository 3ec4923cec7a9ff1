"""A map between scenes, and a choice of model by a person's past."""

import numpy as np
import pytest

from recsys_lib.errors import BadData
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.scene_map import ByPast, SceneMap
from tests.test_splits import make_log


def turned(people: int = 40):
    """Items 0-3 are in scene a, 4-7 in b. Whoever takes item k there takes item 4 + (k + 1) % 4 here: a turn, which no gate can write."""
    rows = [(100 + u, 2 * (u % 4), 1 + u) for u in range(people)] + [(100 + u, 2 * ((u + 1) % 4) + 1, 500 + u) for u in range(people)]
    return make_log(rows + [(100 + people + k, 2 * k, 900 + k) for k in range(4)])


def test_a_map_turns_what_a_cosine_cannot():
    log, vectors = turned(), np.vstack([np.eye(4), np.eye(4)])
    model = SceneMap(vectors, ridge=0.1).fit(log)
    newcomers = np.arange(40, 44)
    np.testing.assert_array_equal(model.score(newcomers, 1).argmax(1), (np.arange(4) + 1) % 4)
    assert (np.argmax(vectors[newcomers - 40] @ vectors[4:].T, 1) == np.arange(4)).all()  # the plain cosine is always wrong here


def test_the_own_scene_is_not_read_and_nobody_is_a_zero():
    log = turned()
    model = SceneMap(np.vstack([np.eye(4), np.eye(4)])).fit(log)
    elsewhere_only = log.with_events(log.events[log.events.scene == 0])
    np.testing.assert_allclose(model.score(np.arange(40), 1), model.score(np.arange(40), 1, history=elsewhere_only))
    assert not model.score(np.arange(40, 44), 0).any()  # they have no past outside scene 0


def test_what_comes_later_changes_nothing():
    log = turned()
    a = SceneMap(np.vstack([np.eye(4), np.eye(4)])).fit(log, 510)
    b = SceneMap(np.vstack([np.eye(4), np.eye(4)])).fit(log.before(510))
    np.testing.assert_array_equal(a.maps, b.maps)


def test_bad_settings_are_refused():
    with pytest.raises(BadData, match="above 0"):
        SceneMap(np.eye(8), ridge=0)
    with pytest.raises(BadData, match="5 rows; .* has 8 items"):
        SceneMap(np.eye(5)).fit(turned())


def test_each_person_gets_the_model_in_charge():
    log = turned()
    both, known, other = ByPast(ItemKNN(), Popularity()).fit(log), ItemKNN().fit(log), Popularity().fit(log)
    people = np.arange(38, 44)
    scores = both.score(people, 1)
    np.testing.assert_array_equal(scores[:2], known.score(people[:2], 1))
    np.testing.assert_array_equal(scores[2:], other.score(people[2:], 1))
