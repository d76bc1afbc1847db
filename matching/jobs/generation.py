"""Generating a batch of synthetic match events chunk by chunk."""

from typing import Any, cast

from matching.jobs.arguments import GenerateEvents
from matching.models import EventBatch
from matching.queries.generations import (
    Expected,
    expect,
    load_generation,
    plan_generation,
    require_same_formulas,
)
from matching.services.batches import abandon_batch
from matching.services.generation import (
    LandedChunk,
    complete_batch,
    land_chunk,
    open_batch,
)
from project.ahead import ahead
from project.jobs.contract import Run


def discard_generation(run: Run) -> None:
    """Remove the events of a generation that was stopped; its batch stays, marked abandoned."""
    prepared = run.result_of("generate.prepare")
    if prepared is not None and run.result_of("generate.complete") is None:
        abandon_batch(EventBatch.objects.get(pk=prepared["batch"]))


def generate(run: Run, asked: GenerateEvents) -> dict[str, Any]:
    """Generate one batch; it can be read once all of it is there.

    Refuses, before any event is made, when nobody can be matched or the population cannot give
    the count without repeats.
    """
    prepared = run.result_of("generate.prepare")
    if prepared is None:
        generation, loaded = plan_generation(
            count=asked.count,
            match_type=asked.match_type,
            preset=asked.preset,
            seed=asked.seed,
            feature_set=asked.feature_set,
            allow_repeats=asked.allow_repeats,
        )
        expected = expect(generation, loaded)
        with run.transaction("generate.prepare") as prepared:
            batch = open_batch(generation, loaded, by=run.user)
            prepared.update(batch=batch.pk, **expected)
            run.add_record(batch)
    else:
        batch = EventBatch.objects.get(pk=prepared["batch"])
        generation = load_generation(batch)
        require_same_formulas(generation)
    numbers = range(generation.chunk_count)
    missing = [number for number in numbers if run.result_of("generate.chunk", number) is None]
    # The next chunk is made while the server stores the one before.
    made = ahead((number, generation.make_chunk(number)) for number in missing)
    for number, columns in made:
        with run.transaction("generate.chunk", number) as result:
            result.update(land_chunk(batch, columns))
        count = asked.count
        done = min((number + 1) * -(-count // generation.chunk_count), count)
        run.report(done, count, f"Generating events, {done:,} of {count:,}")
    chunks = cast(
        "list[LandedChunk]", [run.result_of("generate.chunk", number) for number in numbers]
    )
    expected = cast(Expected, prepared)
    return run.once("generate.complete", lambda: complete_batch(batch, expected, chunks))
