"""Addresses that are not public: where the document of a stranger must not lead a request."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TypeAlias

from penstock.errors import OriginError, TransportError

_Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
# Public by its number, but answered by the host of a virtual machine.
_HOSTS = frozenset({ipaddress.ip_address("168.63.129.16")})
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address is of the public internet, also where it wraps one of another family."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(
        one.is_global and not one.is_multicast and one not in _HOSTS for one in _meant(address)
    )


def _meant(address: _Address) -> list[_Address]:
    """The address, and the IPv4 addresses that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _TRANSLATED:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    found = [one for one in inner if one is not None]
    # What wraps an address is judged by it: not every such block is called global.
    return list(found) or [address]


async def public_address(host: str, port: int, where: str) -> str:
    """An address of a host, all of whose addresses are public.

    Raises:
        OriginError: one of them is not.
        TransportError: the name is not known.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise TransportError(
            f"the host {host} is not known: {exc}", code="connection", request=where
        ) from exc
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise OriginError(
                f"the request leads to {host}, which is {address}: not a public address",
                code="private-address",
                hint="--deny-private refuses such addresses; without it they may be asked",
                request=where,
            )
    return addresses[0]
