"""What the jobs of matching say of their results."""

from collections.abc import Mapping
from typing import Any

from project import words
from project.jobs.said import Figure, Outcome, Said, landed

Result = Mapping[str, Any]


def _people(count: int) -> str:
    return words.counted(count, "person", "people")


def say_seeded(result: Result) -> Said:
    """People and groups that were added to those that are there."""
    users, groups = result["users_added"], result["groups_added"]
    kept = result["users_kept"]
    figures = (
        Figure("People added", words.number(users), f"{words.number(kept)} were there"),
        Figure(
            "Groups added",
            words.number(groups),
            f"{words.number(result['groups_kept'])} were there",
        ),
    )
    if not users and not groups:
        return Said(
            f"Nobody was added: all {_people(kept)} are there already.",
            Outcome.UNCHANGED,
            figures,
        )
    return Said(
        f"{_people(users)} and {words.counted(groups, 'group')} were added.",
        figures=figures,
    )


def say_people_imported(result: Result) -> Said:
    """Rows of a file of profiles, and what became of them."""
    return _say_imported(result, "row")


def say_groups_imported(result: Result) -> Said:
    """Groups of a file, and what became of them."""
    return _say_imported(result, "group")


def say_trips_imported(result: Result) -> Said:
    """Trips of a file, and what became of them."""
    return _say_imported(result, "trip")


def _say_imported(result: Result, noun: str) -> Said:
    rows, refused = result["rows"], result["rows_refused"]
    figures = tuple(
        Figure(label, words.number(result[name]))
        for label, name in (
            ("Added", "added"),
            ("Updated", "updated"),
            ("Unchanged", "unchanged"),
            ("Refused", "rows_refused"),
        )
    )
    if rows and result["unchanged"] == rows:
        return Said(
            f"Nothing changed: {result['file']} says what is there.", Outcome.UNCHANGED, figures
        )
    text = (
        f"{words.number(rows - refused)} of {words.counted(rows, noun)} of {result['file']} "
        f"landed: {words.number(result['added'])} added, {words.number(result['updated'])} updated"
    )
    if refused:
        text += f", {words.number(refused)} refused"
    return landed(rows - refused, rows, noun=f"{noun}s", text=text, figures=figures)


def say_completed(result: Result) -> Said:
    """Synthetic profiles that were filled in, and real ones that were not."""
    real = result.get("real_left", 0)
    left = ""
    if real:
        stay = "stays as it is" if real == 1 else "stay as they are"
        left = f" {words.counted(real, 'real profile')} {stay}: nothing is invented of real people."
    if not result["completed"]:
        if real:
            return Said(f"Nothing was filled in.{left}", Outcome.IN_VAIN)
        return Said("Nothing was missing in any of these profiles.", Outcome.UNCHANGED)
    values = sum(result["fields"].values())
    done = words.counted(result["completed"], "synthetic profile")
    figures = [
        Figure("Filled in", words.number(result["completed"]), "synthetic profiles"),
        Figure("Values drawn", words.number(values)),
    ]
    if real:
        figures.append(Figure("As they were", words.number(real), "real profiles"))
    return Said(
        f"{done} filled in with {words.counted(values, 'drawn value')}.{left}",
        figures=tuple(figures),
    )


def say_merged(result: Result) -> Said:
    """Two records that are one person now, and what came with the one that went."""
    events, alone = result["events"], result["events_of_one_person"]
    figures = [
        Figure("Fields filled in", words.number(len(result["fields_taken"]))),
        Figure("Groups", words.number(result["groups"])),
        Figure(
            "Events",
            words.number(events),
            f"in {words.counted(result['batches'], 'batch', 'batches')}",
        ),
    ]
    if alone:
        figures.append(Figure("Of the two alone", words.number(alone), "in no dataset"))
    named = f"Person {result['gone']} is part of person {result['keep']}"
    if result["was_merged"] and not events:
        return Said(f"{named} already.", Outcome.UNCHANGED)
    return Said(
        f"{named}; {words.counted(events, 'event names', 'events name')} the one person now.",
        figures=tuple(figures),
    )


def say_sessions_created(result: Result) -> Said:
    """Trips that were drawn for those who had none."""
    made, renewed = result["created"], result["renewed"]
    held = result["held_elsewhere"]["count"]
    figures = (
        Figure("Created", words.number(made)),
        Figure("Renewed", words.number(renewed)),
        Figure("Live before", words.number(result["already_live"])),
    )
    left_out = f" {words.number(held)} left out: another application holds theirs." if held else ""
    if not made + renewed:
        has_some = "everybody has a live one" if result["already_live"] else "nobody needs one"
        text = f"No session was created: {has_some}."
        if held:
            return Said(f"No session was created.{left_out}", Outcome.IN_VAIN, figures)
        return Said(text, Outcome.UNCHANGED, figures)
    text = f"{words.counted(made + renewed, 'session')} drawn, {words.number(renewed)} of them "
    return Said(
        f"{text}again for who had one.{left_out}",
        Outcome.IN_PART if held else Outcome.REACHED,
        figures,
    )


def say_sessions_checked(result: Result) -> Said:
    """Sessions whose live copies and records agree."""
    return _sessions(result, "")


def say_sessions_repaired(result: Result) -> Said:
    """Sessions that were mended, and how all of them are since."""
    mended = sum(result["repaired"].values())
    return _sessions(result, f"{words.counted(mended, 'repair')} made. ")


def _sessions(result: Result, before: str) -> Said:
    live, repairable = result["live"], result["repairable"]
    figures = (
        Figure("Live", words.number(live), f"at least {words.number(result['minimum'])} asked"),
        Figure("Need repair", words.number(repairable)),
    )
    if result["verdict"] == "pass" and live:
        return Said(
            f"{before}{words.counted(live, 'live session')} in order.",
            figures=figures,
        )
    need = words.counted(repairable, "needs", "need")
    return Said(
        f"{before}{words.counted(live, 'session')} live, {need} repair; see the checks.",
        Outcome.TO_LOOK_AT,
        figures,
    )


def say_generated(result: Result) -> Said:
    """Events of a batch: all that were asked for, or not; copies that are to be expected."""
    asked, made = result["asked"], result["made"]
    copies = result["expected_duplicate_share"]
    figures = (
        Figure("Events", words.number(made), f"of {words.number(asked)} asked"),
        Figure("Say yes", words.share(result["label_share"])),
        Figure("Expected copies", words.share(copies)),
    )
    text = f"Batch {result['batch']} holds {words.counted(made, 'event')}"
    if made < asked or not made:
        return landed(
            made, asked, noun="events", text=f"{text} of {words.number(asked)} asked",
            figures=figures,
        )  # fmt: skip
    if copies and copies > COPIES_TO_LOOK_AT:
        return Said(f"{text}; {words.share(copies)} repeat another.", Outcome.TO_LOOK_AT, figures)
    return Said(f"{text}, {words.share(result['label_share'])} of them yes.", figures=figures)


COPIES_TO_LOOK_AT = 0.05  # share of events; beyond, a dataset is warned of at the latest


def say_events_imported(result: Result) -> Said:
    """Lines of logs: new, known, refused."""
    found, new, known = result["found"], result["new"], result["known"]
    changed, refused = result["changed"], result["rejected"]
    figures = tuple(
        Figure(label, words.number(count))
        for label, count in (
            ("Lines", found),
            ("New", new),
            ("Known", known),
            ("Changed", changed),
            ("Refused", refused),
        )
    )
    batches = " and ".join(f"batch {pk}" for pk in result["batches"][:3])
    where = f" in {batches}" if batches else ""
    if not new + changed + refused:
        seen = found - known  # shown once, and never answered
        also = f" and {words.counted(seen, 'view')} without an answer" if seen else ""
        return Said(
            f"Nothing is new: {words.counted(known, 'line')} known already{also}{where}.",
            Outcome.UNCHANGED,
            figures,
        )
    text = f"{words.counted(new, 'event')} landed{where}"
    if changed:
        text += f", {words.number(changed)} changed"
    if refused:
        text += f"; {words.counted(refused, 'line')} refused"
    # Shown once and never answered, or there already: as asked.
    return landed(found - refused, found, noun="lines", text=text, figures=figures)


def say_retried(result: Result) -> Said:
    """Refused lines that landed, and those that still do not."""
    done, left, batch = result["landed"], result["still_refused"], result["batch"]
    asked = result["tried"] + result["untried"]
    figures = (
        Figure("Landed", words.number(done), f"of {words.number(asked)}"),
        Figure("Still refused", words.number(left), f"of batch {batch}"),
    )
    if not asked:
        text = f"Nothing of batch {batch} was refused any more"
    elif not left:
        text = f"All landed: nothing of batch {batch} is refused any more"
    else:
        text = (
            f"{words.number(done)} of {words.counted(asked, 'line')} landed; {words.number(left)} "
            f"of batch {batch} still refused"
        )
    return landed(done, asked, noun="lines", text=text, figures=figures)
