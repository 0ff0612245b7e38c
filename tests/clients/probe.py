"""One operation of the Python client, told as JSON; probe.go and probe.c do the same: test_clients.py compares them.

    probe ADDRESS OPERATION [ARGUMENT…]
"""

import json

import sky_island


def told(answer):
    return {"data": answer.data_bytes.hex(), "stderr": answer.stderr_bytes.hex(), "results": answer.results, "error": answer.error,
            "module": answer.module, "request_id": answer.request_id, "timestamp": answer.timestamp}


def wrong(error):
    if not isinstance(error, sky_island.Problem):
        return {"kind": "timeout" if isinstance(error, TimeoutError) else "transport"}
    assert (type(error) is sky_island.Problem) == (error.fault == "")
    return {"kind": error.fault or "other", "status": error.status, "code": error.code, "stage": error.stage, "detail": error.detail,
            "stdout": error.stdout_bytes.hex(), "stderr": error.stderr_bytes.hex(), "request_id": error.request_id,
            "retry_after": -1 if error.retry_after is None else round(error.retry_after), "nearest": error.members.get("nearest")}


def run(environment, address, operation, *given):
    c = sky_island.Client(address, function_token=environment.get("SKY_FUNCTION_TOKEN"), admin_token=environment.get("SKY_ADMIN_TOKEN"),
                          timeout=int(environment["SKY_TIMEOUT_MS"]) / 1000, retries=int(environment["SKY_RETRIES"]))
    if operation == "call":
        return told(c.call(given[0], given[1], **json.loads(given[2])))
    if operation == "typed":
        return told(c.typed(given[0], given[1], *json.loads(given[2])))
    if operation in ("jail", "kill"):
        return getattr(c, operation)(int(given[0]))
    return getattr(c, operation)(*given)


def tell(environment, *arguments):
    """The text, and the status; Python takes long to start, so that the tests call this."""
    try:
        return json.dumps(run(environment, *arguments)), 0
    except sky_island.SkyIslandError as e:
        return json.dumps(wrong(e)), 1
    except ValueError:
        return json.dumps({"kind": "argument"}), 1
