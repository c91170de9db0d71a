import json
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweepjax_cli import app
from tampering import chunks, everything

import sweepjax as sj
from sweepjax.engine.sizes import default_chunk_rows
from sweepjax.plan import pilot_families
from sweepjax.run import Part, share
from sweepjax.store.store import Store
from sweepjax.store.verify import verify
from sweepjax.sweep.sweep import Sweep

PROBE = "probe:Bits"


def sweep(**options):
    return Sweep(solver=PROBE).replaced(**options)


def points(plan, *names):
    fields = (vars(task) | vars(task.model) | vars(task.solver) for task in plan.tasks())
    return [tuple(values[name] for name in names) for values in fields]


def test_zipped_values_pair_up_in_the_order_typed():
    plan = sweep(n=20, d=10, sigma="3,1,2", seed="5,6,7", zip="sigma,seed")
    assert sorted(points(plan, "sigma", "seed")) == [(1.0, 6), (2.0, 7), (3.0, 5)]


def test_what_is_not_zipped_spans_a_product_with_the_pairs():
    plan = sweep(n="20,30", d=10, sigma="1,2", seed="5,6", init_bias="0,1", zip="sigma,seed")
    assert len(points(plan, "n")) == plan.points == 8
    assert {(sigma, seed) for sigma, seed in points(plan, "sigma", "seed")} == {(1.0, 5), (2.0, 6)}


def test_several_groups_are_zipped_each_for_itself():
    plan = sweep(
        n=20, d=10, sigma="1,2", seed="5,6", init_bias="0,1", init_norm="1,2", zip=["sigma,seed", "init_bias,init_norm"]
    )
    assert len(points(plan, "n")) == 4


def test_lambda_is_quantised_within_its_pair():
    plan = sweep(n=10, lam="0.42,0.5", sigma="7,8", zip="lambda,sigma")
    assert points(plan, "n", "d", "sigma") == [(10, 4, 7.0), (10, 5, 8.0)]


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({"n": "10,20", "lam": "0.5,0.4", "zip": "n,lam"}, [(10, 5), (20, 8)]),
        ({"d": "10,20", "lam": "0.5,0.4", "zip": "lambda,d"}, [(20, 10), (50, 20)]),
        ({"n": "10,20", "d": "3,4", "zip": "d,n"}, [(10, 3), (20, 4)]),
        ({"n": "10,20", "lam": "0.4,0.5", "sigma": "1,2", "zip": "n,sigma"}, [(10, 4), (10, 5), (20, 8), (20, 10)]),
    ],
)
def test_of_lam_n_and_d_any_two_may_be_zipped_or_one_with_another_field(options, shapes):
    assert sorted(points(sweep(**options), "n", "d")) == shapes


def test_pairs_that_coincide_once_rounded_are_one_point_and_the_notes_say_all_of_it():
    plan = sweep(n=10, lam="0.4,0.42,0.44,0.5", sigma="1,1,2,1", zip="lambda,sigma")
    assert points(plan, "d", "sigma") == [(4, 1.0), (4, 2.0), (5, 1.0)]
    assert plan.notes() == [
        "lam 0.4, 0.5",
        "n 10",
        "d 4, 5",
        "zip lambda,sigma: 0.4 with 1, 0.42 with 1, 0.44 with 2, 0.5 with 1",
        "lam is d/n: rounding moves it by at most 0.04, and what it is zipped with stays",
        "1 of 4 points (n, d, sigma) coincide with others and are merged",
    ]


def test_equal_pairs_are_merged_and_many_are_shown_by_their_ends():
    plan = sweep(n=10, d=5, sigma="1:8:1,8", seed="0:7,7", zip="sigma,seed")
    assert plan.notes()[-2:] == [
        "zip sigma,seed: 1 with 0 to 8 with 7, 9 points",
        "1 of 9 points (sigma, seed) coincide with others and are merged",
    ]


def test_families_of_zipped_points_hold_what_differs_in_floats_and_seeds_alone():
    plan = sweep(n="10,10,20", d="4,4,4", sigma="1,2,3", seed="0,1", zip="n,d,sigma")
    families = list(plan.families())
    assert [(len(each.tasks), each.tasks[0].model.n) for each in families] == [(4, 10), (2, 20)]
    assert (plan.family_count, plan.family_sizes, plan.points) == (2, {4: 1, 2: 1}, 6)


def test_texts_and_integers_of_model_and_solver_are_zipped_too():
    plan = Sweep(solver="sgd", until=4).replaced(
        n=10,
        d=5,
        loss="logistic,exponential",
        batch_size="0,8",
        learning_rate="0.1,0.2",
        zip="loss,batch_size,learning_rate",
    )
    assert points(plan, "loss", "batch_size", "learning_rate") == [("exponential", 8, 0.2), ("logistic", 0, 0.1)]
    assert plan.family_count == 2


counts = st.integers(1, 4)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(9, 11), st.integers(1, 2), st.integers(0, 1)), min_size=1, max_size=5),
    counts,
    st.integers(1, 9),
)
def test_chunks_tile_families_of_unlike_sizes_exactly(triples, realizations, rows):
    n, sigma, seed = (",".join(map(str, each)) for each in zip(*triples, strict=True))
    plan = sweep(n=n, sigma=sigma, seed=seed, init_bias="0,1", d=4, zip="n,sigma,seed", realizations=realizations)
    cut = list(plan.chunks(rows))
    tiled = [(chunk.family.id, row) for chunk in cut for row in range(chunk.start, chunk.stop)]
    assert tiled == [(f.id, row) for f in plan.families() for row in range(len(f.tasks) * realizations)]
    assert (len(cut), len(tiled)) == (plan.chunk_count(rows), plan.rows_total)
    assert len({json.dumps(point) for point in points(plan, "n", "sigma", "seed", "init_bias")}) == plan.points


def test_each_family_is_found_by_its_index():
    plan = sweep(n="10,20", d="4,5", sigma="1,2", loss="logistic,exponential", zip="d,sigma")
    assert [plan.family(index) for index in range(plan.family_count)] == list(plan.families())
    assert [family.tasks[0].model.d for family in pilot_families(plan)] == [4, 5, 5]


def test_a_million_points_are_cut_without_building_them():
    plan = sweep(n="101:1100", d="1:1000", sigma="1:2@1000", zip="n,d", realizations=10**6)
    first = list(islice(plan.chunks(100), 3))
    assert (plan.points, plan.chunk_count(100), first[-1].start) == (10**6, 10**10, 200)


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": "2,1", "seed": "6,5"},
        {"zip": "seed,sigma"},
        {"zip": [["seed", "sigma"]]},
        {"sigma": "1:2:1", "realizations": 8},
        {"sigma": "1,2,2", "seed": "5,6,6"},
    ],
)
def test_identity_is_of_the_pairs_and_not_of_their_order_or_spelling(options):
    usual = {"n": 20, "d": 10, "sigma": "1,2", "seed": "5,6", "zip": "sigma,seed"}
    assert sweep(**usual | options).id == sweep(**usual).id


def test_identity_depends_on_which_values_are_paired():
    alike = {"n": 20, "d": 10, "seed": "5,6"}
    plans = [
        sweep(sigma=sigma, zip=pairs, **alike)
        for sigma, pairs in [("1,2", "sigma,seed"), ("2,1", "sigma,seed"), ("1,2", ())]
    ]
    assert len({plan.id for plan in plans}) == 3


def test_a_single_pair_is_what_it_is_without_being_zipped():
    assert sweep(n=20, d=10, zip="n,d").id == sweep(n=20, d=10).id


def test_differences_say_how_values_are_paired():
    mine, other = (sweep(n=20, d=10, sigma=sigma, seed="5,6", zip="sigma,seed") for sigma in ("1,2", "2,1"))
    assert mine.differences(other) == ["zip: sigma 1,2 with seed 5,6 here, sigma 2,1 with seed 5,6 there"]
    assert mine.differences(sweep(n=20, d=10, sigma="1,2", seed="5,6")) == [
        "zip: sigma 1,2 with seed 5,6 here, nothing there"
    ]


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        ("lambda,sigma", 'zip = "lambda,sigma"'),
        (["lam,sigma", "seed,init_bias"], 'zip = [\n    "lambda,sigma",\n    "seed,init_bias",\n]'),
        ((), "realizations = 100"),
    ],
)
def test_toml_round_trips(groups, line):
    plan = sweep(n=20, lam="0.4,0.5", sigma="1,2", seed="5,6", init_bias="0,1", zip=groups)
    assert Sweep.from_toml(plan.to_toml()) == plan
    assert line in plan.to_toml()


@pytest.mark.parametrize("groups", ["'lambda, sigma'", "['lambda', 'sigma']", "[['lam', 'sigma']]"])
def test_toml_takes_names_as_a_text_or_as_lists(groups):
    text = f"n = 20\nlambda = [0.5, 0.4]\nsigma = [1, 2]\nzip = {groups}"
    assert points(Sweep.from_toml(text), "d", "sigma") == [(8, 2.0), (10, 1.0)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sigma": "1,2,3", "seed": "5,6", "zip": "sigma,seed"}, "sigma has 3 and seed has 2; give equally many"),
        ({"sigma": "1,2", "zip": "sigma,init_bias"}, "init_bias has no values; give them"),
        ({"sigma": "1,2", "zip": "sigma"}, "--zip sigma pairs nothing"),
        ({"sigma": "1,2", "zip": "sigma,sigma"}, "sigma is zipped twice"),
        ({"sigma": "1,2", "seed": "5,6", "zip": ["sigma,seed", "seed,n"]}, "seed is zipped twice"),
        ({"sigma": "1,2", "zip": "sigma,sede"}, "did you mean 'seed'"),
        ({"sigma": "1,2", "zip": "sigma,,seed"}, "empty somewhere"),
        ({"sigma": "1,2", "zip": "sigma,realizations"}, "unknown field 'realizations'"),
        ({"sigma": "1,2", "zip": 5}, "zip = 5 is not allowed"),
        ({"sigma": "1,2", "zip": [["sigma", 5]]}, "is not allowed; give names"),
        ({"sigma": "-1,2", "seed": "5,6", "zip": "sigma,seed"}, "sigma = -1 is not allowed"),
    ],
)
def test_what_cannot_be_zipped_is_refused_with_a_sentence(options, reason):
    with pytest.raises(ValueError, match=reason):
        sweep(n=20, d=10, **options)


def test_zip_can_be_taken_back():
    plan = sweep(n=20, d=10, sigma="1,2", seed="5,6", zip="sigma,seed")
    assert plan.replaced(zip=()).points == plan.replaced(zip="").points == 4
    assert plan.replaced(realizations=3).zip == plan.zip


def test_the_largest_shapes_of_zipped_points_decide_the_rows_of_a_chunk():
    narrow, wide = (Sweep().replaced(n=n, d=d, zip="n,d") for n, d in (("10,400", "400,10"), ("10,400", "10,200")))
    assert (default_chunk_rows(narrow), default_chunk_rows(wide)) == (4096, 1024)


ZIPPED = {"n": 20, "lam": "0.5,0.4,0.5", "sigma": "1,2,3", "zip": "lam,sigma"}


@pytest.mark.slow
def test_rows_are_those_of_the_pairs(tmp_path):
    frame = sj.run(solver=PROBE, realizations=2, out=tmp_path / "run", **ZIPPED)
    found = frame.sort_values(["realization", "sigma"])[["d", "sigma", "realization"]].to_numpy().tolist()
    assert found == [[d, sigma, r] for r in (0, 1) for d, sigma in ((10, 1), (8, 2), (10, 3))]


@pytest.mark.slow
def test_parts_of_zipped_points_make_the_whole_and_a_run_is_extended(tmp_path):
    plan = sweep(realizations=5, **ZIPPED)
    cut = [share(plan, 4, Part(number, 2)) for number in (1, 2)]
    ranges = [{(chunk.family.id, chunk.start) for chunk in part} for part in cut]
    assert not ranges[0] & ranges[1]
    assert ranges[0] | ranges[1] == {(chunk.family.id, chunk.start) for chunk in plan.chunks(4)}
    sj.run(plan.replaced(realizations=2), out=tmp_path / "run")
    sj.run(plan, out=tmp_path / "run")
    assert (verify(Store.open(tmp_path / "run")).faults, verify(Store.open(tmp_path / "run")).missing) == ([], 0)


def test_the_command_zips_resumes_merges_and_refuses_other_pairs(tmp_path, capsys):
    asked = ["run", "--solver", PROBE, "--n", "20", "--lambda", "0.5,0.4", "--zip", "lambda,sigma", "--chunk", "4"]
    asked += ["--realizations", "6"]
    halves = [tmp_path / "one", tmp_path / "two"]
    for number, half in enumerate(halves, start=1):
        assert app([*asked, "--sigma", "1,2", "--part", f"{number}/2", "-o", str(half)]) == 0
    assert "zip lambda,sigma: 0.5 with 1, 0.4 with 2" in capsys.readouterr().err
    assert app(["merge", *map(str, halves), "-o", str(tmp_path / "whole")]) == 0
    before = everything(tmp_path / "whole")
    assert app(["run", str(tmp_path / "whole" / "_sweep.toml"), "-o", str(tmp_path / "whole")]) == 0
    assert everything(tmp_path / "whole") == before
    assert len(chunks(tmp_path / "whole")) == 4
    assert app([*asked, "--sigma", "2,1", "-o", str(tmp_path / "whole")]) == 4
    assert "lambda 0.5,0.4 with sigma 2,1 here, lambda 0.5,0.4 with sigma 1,2 there" in capsys.readouterr().err
