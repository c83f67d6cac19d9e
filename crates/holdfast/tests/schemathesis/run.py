#!/usr/bin/env python3
"""Asks a real server everything that its own description allows, and much that it does not.

Usage: run.py HOLDFAST SCHEMATHESIS   (the two programs)

Starts `holdfast serve` in a temporary folder, fills it with sales in every state, and lets
schemathesis loose on it: once as a merchant, once as a buyer. Fails if an answer is not described,
if what is described as wrong is taken or as right refused, if any answer is a 5xx, if an operation
never did what it is for, or if a false description is not caught.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
KEY = "a-merchant-key-for-tests"
SECRET = "a secret of more than thirty-two bytes"
BUYER = "alice"


def main(holdfast, schemathesis):
    for role in ("merchant", "buyer"):
        print(f"-- as a {role}", flush=True)
        with tempfile.TemporaryDirectory() as folder, Server(holdfast, folder) as server:
            server.fill()
            document = described_for(role, server)
            code, rates = loose(schemathesis, role, server, document)
            assert code == 0, f"schemathesis exited with {code}"
            check_all_done(role, document, rates)
            for sale in ("rush", "moved"):
                audit = server.ask("GET", f"/v1/sales/{sale}/audit")
                assert audit["ok"], audit
    print("-- the control: a description that is false", flush=True)
    with tempfile.TemporaryDirectory() as folder, Server(holdfast, folder) as server:
        server.fill()
        document = described_for("merchant", server)
        document["components"]["schemas"]["Sale"]["required"].append("colour")
        code, _ = loose(schemathesis, "merchant", server, document, "--phases", "examples")
        assert code == 1, "a false description was not caught"


class Server:
    """`holdfast serve` on a free port, with a merchant's key and a buyers' key."""

    def __init__(self, holdfast, folder):
        self.holdfast, self.folder = holdfast, pathlib.Path(folder)
        self.secret = self.folder / "buyer.key"
        self.secret.write_text(SECRET)

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.holdfast, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.folder / "data",
             "--buyer-key", self.secret, "--limit-buyer", "off", "--until-eof"],
            env={**os.environ, "HOLDFAST_MERCHANT_KEY": KEY},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *failure):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert failure[0] or code == 0, f"the server exited with {code}"

    def ask(self, method, path, body=None, token=KEY):
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def token(self):
        command = [self.holdfast, "token", "--buyer", BUYER, "--buyer-key", self.secret]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def fill(self):
        """Sales in every state, holds that live and that have ended, and an order that is paid."""
        def tier(name, capacity):
            price = {"amount": 4500, "currency": "EUR"}
            return {"id": name, "name": name, "capacity": capacity, "price": price}

        tiers = [tier("standing", 1_000_000), tier("few", 3), tier("none", 0)]
        for sale in ("rush", "scheduled", "paused", "closed", "moved", "ended"):
            self.ask("PUT", f"/v1/sales/{sale}", {"name": sale, "max_per_buyer": 1000, "tiers": tiers})
        for sale, moves in {"rush": ["open"], "paused": ["open", "pause"], "closed": ["close"]}.items():
            for move in moves:
                self.ask("POST", f"/v1/sales/{sale}/{move}")
        sold = self.buy(BUYER)
        self.orders = [sold["order"]]
        ended = self.reserve(BUYER)
        self.ask("DELETE", f"/v1/holds/{ended}")
        self.holds = [sold["id"], ended, self.reserve(BUYER)]

    def reserve(self, buyer):
        body = {"tier": "standing", "quantity": 1, "buyer": buyer}
        return self.ask("POST", "/v1/sales/rush/holds", body)["id"]

    def buy(self, buyer):
        """A hold that is paid."""
        hold = f"/v1/holds/{self.reserve(buyer)}"
        self.ask("POST", f"{hold}/checkout")
        for _ in range(1_000):
            seen = self.ask("GET", hold)
            if seen["payment"]["status"] == "paid":
                return seen
            time.sleep(0.01)
        raise AssertionError(f"waited in vain for the payment: {seen}")


def described_for(role, server):
    """The description as it is for one role: the two send different requests to one operation."""
    document = server.ask("GET", "/openapi.json")
    body = document["components"]["schemas"]["PostHold"]
    if role == "merchant":
        body["required"].append("buyer")
        body["properties"]["buyer"] = {"$ref": "#/components/schemas/BuyerId"}
    else:
        del body["properties"]["buyer"]
    if role == "buyer":
        del document["components"]["schemas"]["PostCheckout"]["properties"]["metadata"]
    for operation in operations(document).values():
        operation["security"] = [{role: []}] if operation["security"] else []
        parameters = operation.get("parameters", [])
        asked = [it for it in parameters if it["name"] == "buyer" and it["in"] == "query"]
        for buyer in asked:
            buyer.update(required=True, example=BUYER)
            if role == "buyer":
                parameters.remove(buyer)
        if operation["operationId"] in ("reserve", "check_out"):
            content = operation["requestBody"]["content"]["application/json"]
            content["examples"] = {role: content["examples"][role]}
    return document


def operations(document):
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def loose(schemathesis, role, server, document, *flags):
    """Runs schemathesis. Its exit code, and what was accepted, by operation and phase."""
    folder = server.folder
    token = KEY if role == "merchant" else server.token()
    config = (HERE / "schemathesis.toml").read_text()
    (folder / "schemathesis.toml").write_text(
        f'{config}\n[auth.openapi]\n{role} = {{ bearer = "{token}" }}\n'
    )
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "holds.txt").write_text("".join(f'"{hold}"\n' for hold in server.holds))
    (folder / "orders.txt").write_text("".join(f'"{order}"\n' for order in server.orders))
    report = folder / "report.json"
    command = [schemathesis, "--config-file", "schemathesis.toml", "run", "--url", server.url,
               "--report", "json", "--report-json-path", report, *flags, "openapi.json"]
    environment = {**os.environ, "HOOKS": str(HERE / "hooks.py")}
    code = subprocess.run(command, cwd=folder, env=environment).returncode
    return code, json.loads(report.read_text())["valid_rates"]


def check_all_done(role, document, rates):
    """Every operation that this role may ask must have done what it is for at least once."""
    for name, operation in operations(document).items():
        # Nobody here knows what the provider signs with.
        is_signed = operation["operationId"] == "hear_webhook"
        if not is_signed and (role == "merchant" or "403" not in operation["responses"]):
            done = sum(phase["accepted"] for phase in rates.get(name, {}).values())
            assert done > 0, f"{name} never did what it is for"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*(os.path.abspath(program) for program in sys.argv[1:]))
