import numpy as np, pandas as pd, pytest
from project.refusal import Refusal
from tests.training.batches import draw_events, make_batch, make_dataset, make_model
from tests.training.test_mixture import real_batch, other_people

pytestmark = pytest.mark.django_db


def tell(name, make):
    print("\n=====", name)
    try:
        d = make()
    except Refusal as r:
        print("REFUSAL", r, "|", r.remedy)
        return None
    print(d.verdict, d.origin_words, d.split, d.train_rows, d.validation_rows, d.dropped)
    for c in d.checks:
        if c["verdict"] != "pass":
            print("  ", c["verdict"], c["name"], c["value"], "|", c["remedy"][:420])
    if d.verdict != "refuse":
        try:
            m = make_model(d)
        except Exception as e:
            print("  MODEL", type(e).__name__, e, getattr(e, "remedy", ""))
            return d
        print("  MODEL", m.verdict, m.origin_words, m.metrics["validation"].get("roc_auc"))
        for c in m.gates:
            if c["verdict"] != "pass":
                print("     ", c["verdict"], c["name"], c["value"], "|", c["remedy"][:420])
    return d


def test_mixture():
    synth = make_batch(other_people(draw_events(2000, seed=6)))
    for n, users in ((40, 30), (99, 60), (1, 30)):
        real = real_batch(draw_events(n, seed=5, users=users))
        for split in ("user", "origin"):
            tell(f"{n} real, {split}", lambda: make_dataset(real, synth, split=split))
    few = draw_events(150, seed=5, users=60)
    few["user_id"] = few["user_id"] % 4 + 1
    real = real_batch(few)
    for split in ("user", "origin", "time"):
        tell(f"150 real of 4 people, {split}", lambda: make_dataset(real, synth, split=split))
    real = real_batch(draw_events(150, seed=5, users=60).assign(label=True, outcome=np.int16(1)))
    for split in ("time", "origin"):
        tell(f"150 real, one label, {split}", lambda: make_dataset(real, synth, split=split))
    real = real_batch(draw_events(900, seed=5).assign(label=True, outcome=np.int16(1)))
    tell("900 real, one label, time", lambda: make_dataset(real, synth, split="time"))
    tell("only one batch origin", lambda: make_dataset(real, split="origin"))


def test_contra():
    base = draw_events(400, seed=5)
    flipped = base.assign(
        label=~base["label"], outcome=np.where(base["label"], 3, 1).astype(np.int16)
    )
    both = pd.concat([base, flipped], ignore_index=True)
    for o in ("each", "last", "best"):
        tell(f"each pair both, same time, {o}", lambda: make_dataset(real_batch(both), outcomes=o))
    a, b = real_batch(base), real_batch(flipped)
    for o in ("each", "last", "best"):
        tell(f"two logs that disagree, {o}", lambda: make_dataset(a, b, outcomes=o))
    half = pd.concat([base, flipped.head(40)], ignore_index=True)
    for o in ("each", "last"):
        tell(f"a tenth contradicts, {o}", lambda: make_dataset(real_batch(half), outcomes=o))
    synth = make_batch(flipped)
    tell("synthetic of the same pairs says the other", lambda: make_dataset(a, synth, split="time"))
    tell(
        "synthetic of the same pairs, last",
        lambda: make_dataset(a, synth, split="time", outcomes="last"),
    )


def test_tiny():
    base = draw_events(600, seed=5)
    for k in (1, 3, 6, 8):
        f = base.copy()
        f["user_id"] = f["user_id"] % k + 1
        for split in ("time", "user"):
            tell(f"{k} askers, {split}", lambda: make_dataset(real_batch(f), split=split))
    f = base.copy()
    f["target_id"] = 7
    for split in ("time", "user"):
        tell(f"one partner, {split}", lambda: make_dataset(real_batch(f), split=split))
