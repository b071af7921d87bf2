#!/usr/bin/env python3
"""Make a link that a Gcore CDN resource with a secure token, or nginx with
secure_link, opens until a given time:

    https://host/path?md5={token}&expires={unix time}
    token = base64url(MD5("{expires}{path}{ip} {secret}")), without "="

and the two tokens of Gcore Video Streaming, in the path and for MP4 files.

Run this on your server. Whoever holds the secret can sign every file, so it
never goes into a page, a script for the browser or an app.
"""
import base64
import hashlib
import os
import re
import sys
import time
from urllib.parse import unquote_to_bytes


def sign_link(url, secret, expires, directory=False, ip=""):
    """Return `url` with its token.

    url: https://host/path or /path, percent-encoded as a browser sends it.
    expires: Unix time in seconds.
    directory: sign the folder, so that the token opens every file directly in it.
    ip: the only client address that may use the link; empty for any.
    """
    host, path, query, fragment = url_parts(url)
    signed = unquote_to_bytes(path)  # the server hashes the decoded path
    if directory:
        signed = signed[: signed.rindex(b"/") + 1]
    token = make_token(str(expires).encode() + signed + f"{ip} {secret}".encode())
    return f"{host}{path}{query}{'&' if query else '?'}md5={token}&expires={expires}{fragment}"


def sign_stream(url, secret, expires, ip=""):
    """Return the URL of a video or stream of Gcore Video Streaming with its token in the path, which
    opens all of its playlists and segments: /videos/{account}_{video}/{token}/{expires}/master.m3u8.
    """
    host, path, query, fragment = url_parts(url)
    parts = re.fullmatch(r"(/[^/]+/([^/]+))(/.*)", path, re.S)
    if not parts:
        raise ValueError("the path is not /videos/{account}_{video}/{file}")
    entity_path, entity, file = parts.groups()
    token = make_token(unquote_to_bytes(entity) + f"_{secret}_{expires}_{ip}".encode())
    return f"{host}{entity_path}/{token}/{expires}{file}{query}{fragment}"


def sign_mp4(url, secret, expires, speed="", buffer="", ip=""):
    """Return the URL of an MP4 file of Gcore Video Streaming with its token.

    speed, buffer: as the CDN takes them, such as 1000k; empty for none.
    /download behind the file is not part of what is signed.
    """
    host, path, query, fragment = url_parts(url)
    signed = re.sub(rb"/download(=[^/]*)?\Z", b"", unquote_to_bytes(path))
    token = make_token(signed + f"_{secret}_{expires}_{speed}_{buffer}_{ip}".encode())
    limits = (f"&speed={speed}" if speed else "") + (f"&buffer={buffer}" if buffer else "")
    return f"{host}{path}{query}{'&' if query else '?'}md5={token}&expires={expires}{limits}{fragment}"


def url_parts(url):
    """Host, path, query with its "?", fragment with its "#"."""
    parts = re.fullmatch(r"((?:https?://[^/?#]+)?)(/[^?#]*)(\?[^#]*)?(#.*)?", url, re.S)
    if not parts:
        raise ValueError("neither https://host/path nor /path")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", parts[2]):
        raise ValueError("invalid % escape in the path")
    return parts.groups("")


def make_token(text):
    return base64.urlsafe_b64encode(hashlib.md5(text).digest()).decode().rstrip("=")


def usage(problem):
    print(f"link.py: {problem}", file=sys.stderr)
    print(
        "usage: link.py [--scheme gcore|gcore-streaming|gcore-mp4] [--scope file|directory] [--ip ADDR]\n"
        "               [--speed SPEED] [--buffer SIZE] --expires UNIX|--ttl SECONDS URL",
        file=sys.stderr,
    )
    sys.exit(64)


def main(args):
    given = {"--scheme": "gcore", "--scope": "file", "url": ""}
    given |= dict.fromkeys(("--ip", "--speed", "--buffer", "--expires", "--ttl"), "")
    while args:
        name = args.pop(0)
        if not name.startswith("-"):
            if given["url"]:
                usage("more than one URL")
            given["url"] = name
        elif name not in given:
            usage(f"unknown option {name}")
        elif not args or not args[0]:
            usage(f"{name} needs a value")
        else:
            given[name] = args.pop(0)

    secret = os.environ.get("SLUICEGATE_KEY", "")
    if not secret:
        usage("SLUICEGATE_KEY is not set")
    if given["--scope"] not in ("file", "directory"):
        usage("--scope is file or directory")
    if bool(given["--expires"]) == bool(given["--ttl"]):
        usage("give one of --expires and --ttl")
    seconds = given["--expires"] or given["--ttl"]
    if not re.fullmatch(r"[1-9][0-9]{0,17}", seconds):
        usage("--expires and --ttl take whole seconds, from 1")
    expires = int(seconds) + (int(time.time()) if given["--ttl"] else 0)
    url, ip = given["url"], given["--ip"]
    try:
        if given["--scheme"] == "gcore":
            print(sign_link(url, secret, expires, given["--scope"] == "directory", ip))
        elif given["--scheme"] == "gcore-streaming":
            print(sign_stream(url, secret, expires, ip))
        elif given["--scheme"] == "gcore-mp4":
            print(sign_mp4(url, secret, expires, given["--speed"], given["--buffer"], ip))
        else:
            usage("--scheme is gcore, gcore-streaming or gcore-mp4")
    except ValueError as problem:
        usage(problem)


if __name__ == "__main__":
    main(sys.argv[1:])
