/**
 * Makes rows of the browser's network events.
 * These events and not those of playwright, since they tell of CORS preflights, and of the status of an
 * answer that CORS keeps from the page.
 */
export class Recorder {
  rows = [];
  #current = new Map();

  listen(session) {
    for (const [event, handle] of Object.entries(this.handlers())) session.on(`Network.${event}`, handle);
    return session.send("Network.enable");
  }

  handlers() {
    return {
      requestWillBeSent: (event) => this.#begin(event),
      responseReceivedExtraInfo: ({ requestId, statusCode }) => {
        const entry = this.#current.get(requestId);
        // Of a redirect this may come after the next request has begun, whose own answer then overrides it.
        if (entry && !entry.answered) entry.row.status = statusCode;
      },
      responseReceived: ({ requestId, response }) => this.#answer(requestId, response.status),
      loadingFailed: ({ requestId, errorText, corsErrorStatus }) => {
        const row = this.#current.get(requestId)?.row;
        if (row) row.failure = corsErrorStatus?.corsError ?? errorText;
      },
    };
  }

  /** The rows of URLs that do not begin with `origin`. */
  without(origin) {
    return this.rows.filter(({ url }) => !url.startsWith(origin));
  }

  #begin({ requestId, request, type, initiator, redirectResponse }) {
    if (redirectResponse) this.#answer(requestId, redirectResponse.status);
    if (!/^https?:/.test(request.url)) return;
    const row = {
      method: request.method,
      url: request.url,
      status: null,
      fromRedirect: Boolean(redirectResponse),
      resourceType: initiator?.type === "preflight" ? "preflight" : (type ?? "other").toLowerCase(),
      rangeHeader: header(request.headers, "range"),
      failure: null,
    };
    this.rows.push(row);
    this.#current.set(requestId, { row, answered: false });
  }

  #answer(requestId, status) {
    const entry = this.#current.get(requestId);
    if (!entry) return;
    entry.row.status = status;
    entry.answered = true;
  }
}

function header(headers, name) {
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name);
  return found ? found[1] : null;
}
