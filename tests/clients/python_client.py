"""The unmodified aioactioncable (PyPI): offers no subprotocol, expects welcome and confirmation within two seconds, identifiers spaced."""

import asyncio
import json
import sys

import aioactioncable


async def main(url: str) -> None:
    async with aioactioncable.connect(url) as cable:
        subscription = await cable.subscribe({"channel": "StreamsChannel"})
        print("subscribed", flush=True)
        async for message in subscription:
            print(json.dumps(message if isinstance(message, dict) else json.loads(message)), flush=True)


asyncio.run(asyncio.wait_for(main(sys.argv[1]), timeout=60))
