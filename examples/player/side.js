import { RequestLog, statusText } from "./requests.js";
import { nameWithin } from "./short-url.js";
import { RequestTable } from "./table.js";

const FRAME_COUNTER_MS = 200;

/** One of the two players, with its status line and the table of its requests. */
export class Side {
  error = null;
  ended = false;
  #playing = null;
  #log = new RequestLog();
  #retry;
  #section;
  #table;
  #video;

  constructor(section, { retry }) {
    this.#retry = retry;
    this.#section = section;
    this.#table = new RequestTable(section);
    this.#video = section.querySelector("video");
    this.#followVideo();
    const counter = section.querySelector(".frames output");
    setInterval(() => { counter.textContent = this.frames(); }, FRAME_COUNTER_MS);
  }

  get requests() {
    return this.#log.rows;
  }

  frames() {
    return this.#video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
  }

  /** Plays a URL with one of the players of engines.js. */
  play(engine, url) {
    this.#reset();
    if (!engine.isSupported()) {
      this.#stop("this browser has no Media Source Extensions", "—");
      return;
    }
    const log = new RequestLog((row) => this.#table.update(row, log.rows));
    this.#log = log;
    const isCurrent = () => this.#log === log;
    // What fails before it has begun has nothing to stop.
    this.#playing = { stop: () => {}, destroy: () => {} };
    this.#playing = engine.start(this.#video, url, {
      log,
      retry: this.#retry,
      // A browser that does not allow autoplay rejects; the controls still work.
      ready: () => { if (isCurrent()) this.#video.play().catch(() => {}); },
      failed: (details) => { if (isCurrent()) this.#fail(details, url); },
    });
    this.#show("starting", "Starting");
  }

  #fail(details, url) {
    const row = this.#log.firstUnanswered();
    // The first request that failed is the cause; what a player gives up on in the end may be a later one.
    if (row) this.#stop(`${statusText(row)} on ${nameWithin(row.url, url)}`, row.status || "—");
    else this.#stop(details, "—");
    this.#playing.stop();
  }

  #stop(reason, verdict) {
    this.error = reason;
    this.#section.querySelector(".verdict").textContent = verdict;
    // There is nothing left to control.
    this.#video.controls = false;
    this.#show("stopped", `Stopped: ${reason}`);
  }

  #reset() {
    this.#playing?.destroy();
    this.#playing = null;
    this.#log = new RequestLog();
    this.#table.clear();
    this.#video.controls = true;
    this.error = null;
    this.ended = false;
  }

  #followVideo() {
    const states = {
      playing: ["playing", "Playing"],
      waiting: ["starting", "Buffering"],
      pause: ["paused", "Paused"],
      ended: ["ended", "Played to the end"],
    };
    for (const [event, [state, text]] of Object.entries(states)) {
      this.#video.addEventListener(event, () => {
        // "pause" comes just before "ended" and would be read out for nothing.
        if (this.error || !this.#playing || (event === "pause" && this.#video.ended)) return;
        if (event === "ended") this.ended = true;
        if (event === "playing") this.ended = false;
        this.#show(state, text);
      });
    }
  }

  #show(state, text) {
    this.#section.dataset.state = state;
    this.#section.querySelector(".status").textContent = text;
  }
}
