/**
 * An hls.js loader that enters every attempt in `log`.
 * hls.js repeats a failed request inside its loader, where no event tells of it; hence a subclass and not a listener.
 */
export function recordingLoader(Base, log) {
  return class RecordingLoader extends Base {
    #row = null;

    load(context, config, callbacks) {
      super.load(context, config, this.#watch(callbacks));
    }

    loadInternal() {
      if (this.context) this.#row = log.begin(this.context.url, requestType(this.context));
      super.loadInternal();
    }

    retry(retryConfig) {
      log.answer(this.#row, this.getNetworkDetails()?.status ?? 0);
      super.retry(retryConfig);
    }

    abortInternal() {
      // A destroyed loader calls no callback. One that has its answer is not pending any more.
      super.abortInternal();
      if (this.#row && this.stats?.aborted) log.cancel(this.#row);
    }

    #watch(callbacks) {
      return {
        ...callbacks,
        onSuccess: (response, stats, context, details) => {
          log.answer(this.#row, response.code ?? 200, response.url);
          callbacks.onSuccess(response, stats, context, details);
        },
        onError: (error, context, details, stats) => {
          log.answer(this.#row, error.code ?? 0, details?.responseURL);
          callbacks.onError(error, context, details, stats);
        },
        onTimeout: (stats, context, details) => {
          log.answer(this.#row, 0);
          callbacks.onTimeout(stats, context, details);
        },
      };
    }
  };
}

const PLAYLISTS = {
  manifest: "manifest",
  level: "media playlist",
  audioTrack: "audio playlist",
  subtitleTrack: "subtitle playlist",
};

const SEGMENTS = { main: "segment", audio: "audio segment", subtitle: "subtitle segment" };

/** What a request is for, from the context hls.js gives to a loader. */
export function requestType({ type, frag, keyInfo }) {
  if (keyInfo) return "key";
  if (frag) return frag.sn === "initSegment" ? "init segment" : SEGMENTS[frag.type] ?? "segment";
  return PLAYLISTS[type] ?? type ?? "other";
}
