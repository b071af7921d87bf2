import { parseArgs } from "node:util";

const PLAY = {
  url: { type: "string" },
  timeout: { type: "string", default: "30" },
  screenshot: { type: "string" },
  "until-ended": { type: "boolean", default: false },
  frames: { type: "string" },
  rate: { type: "string", default: "1" },
  level: { type: "string" },
  "audio-track": { type: "string" },
  player: { type: "string", default: "hls.js" },
  "live-seconds": { type: "string" },
};

const PLAYERS = ["hls.js", "shaka", "video.js", "dash.js"];

const PLAYS = {
  list: { type: "string" },
};

const PAGE = {
  url: { type: "string" },
  "wait-frames": { type: "string", default: "1" },
  "until-ended": { type: "boolean", default: false },
  timeout: { type: "string", default: "30" },
  screenshot: { type: "string" },
  "eval-file": { type: "string" },
  viewport: { type: "string", default: "1280x900" },
  dark: { type: "boolean", default: false },
};

export function playOptions(args) {
  const values = parse(args, PLAY);
  if (!PLAYERS.includes(values.player)) throw new Error(`--player wants one of ${PLAYERS.join(", ")}, not ${values.player}`);
  return {
    url: values.url,
    timeout: number(values, "timeout"),
    screenshot: values.screenshot ?? null,
    // Only a wish for a number of frames ends the playback early.
    frames: values["until-ended"] ? null : number(values, "frames"),
    rate: number(values, "rate"),
    level: number(values, "level"),
    audioTrack: number(values, "audio-track"),
    player: values.player,
    liveSeconds: number(values, "live-seconds"),
  };
}

export function playsOptions(args) {
  const { list } = parseArgs({ args, options: PLAYS, strict: true }).values;
  if (!list) throw new Error("--list is missing");
  return { list };
}

export function pageOptions(args) {
  const values = parse(args, PAGE);
  const size = /^(\d+)x(\d+)$/.exec(values.viewport);
  if (!size) throw new Error(`--viewport wants WIDTHxHEIGHT, not ${values.viewport}`);
  return {
    url: values.url,
    waitFrames: number(values, "wait-frames"),
    untilEnded: values["until-ended"],
    timeout: number(values, "timeout"),
    screenshot: values.screenshot ?? null,
    evalFile: values["eval-file"] ?? null,
    viewport: { width: Number(size[1]), height: Number(size[2]) },
    dark: values.dark,
  };
}

function parse(args, options) {
  const { values } = parseArgs({ args, options, strict: true });
  if (!values.url) throw new Error("--url is missing");
  return values;
}

function number(values, name) {
  if (values[name] === undefined) return null;
  const given = Number(values[name]);
  if (values[name].trim() === "" || !Number.isFinite(given) || given < 0) {
    throw new Error(`--${name} wants a number, not ${values[name]}`);
  }
  return given;
}
