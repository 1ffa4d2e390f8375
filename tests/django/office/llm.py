"""In place of a language model: some words, one after the other; many more of them if asked to do it slowly."""

import asyncio


async def complete(prompt: str):
    times = 5 if prompt.startswith("slowly") else 1
    for word in f"{prompt}? You are asking me {prompt}".split() * times:
        await asyncio.sleep(0.03)
        yield word + " "
