// What a Flamenco Manager gives to a job type, as far as one may use it: compiles a job and prints its tasks as JSON.
//
// node flamenco_stand_in.js JOB_TYPE.js SETTINGS.json
//
// As in the Manager, a task is copied when it is added, so what it gets afterwards is lost; names must not be empty;
// frame ranges are exploded, sorted and joined again in chunks.
"use strict";
const fs = require("fs");
const vm = require("vm");

class Task {
  constructor(name, type) {
    if (!name.trim() || !type.trim()) {
      throw new Error("author.Task(name, type): both are required");
    }
    Object.assign(this, { name: name.trim(), type: type.trim(), commands: [], dependencies: [] });
  }
  addCommand(command) {
    this.commands.push(command);
  }
  addDependency(task) {
    this.dependencies.push(task.name);
  }
}

function frameChunker(text, size) {
  if (!text.trim() || size < 1) {
    throw new Error(`invalid range "${text}" or chunk size ${size}`);
  }
  const frames = new Set();
  for (const part of text.replaceAll("..", "-").split(",")) {
    const ends = part.split("-").map((word) => {
      if (!/^\s*\d+\s*$/.test(word)) {
        throw new Error(`invalid range "${text}"`);
      }
      return Number(word);
    });
    if (ends.length > 2) {
      throw new Error(`invalid range "${text}"`);
    }
    for (let frame = ends[0]; frame <= ends[ends.length - 1]; frame++) {
      frames.add(frame);
    }
  }
  const sorted = [...frames].sort((a, b) => a - b);
  const chunks = [];
  for (let first = 0; first < sorted.length; first += size) {
    chunks.push(joined(sorted.slice(first, first + size)));
  }
  return chunks;
}

function joined(frames) {
  const runs = [];
  for (const frame of frames) {
    const last = runs[runs.length - 1];
    if (last && frame === last[1] + 1) {
      last[1] = frame;
    } else {
      runs.push([frame, frame]);
    }
  }
  return runs
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`))
    .join(",");
}

const [script, recorded] = process.argv.slice(2);
const settings = JSON.parse(fs.readFileSync(recorded, "utf8"));
const tasks = [];
const job = {
  name: "shot",
  created: new Date(2026, 10, 30, 9, 5, 7),
  settings,
  addTask: (task) => tasks.push(JSON.parse(JSON.stringify(task))),
};
const parts = (file) => file.replaceAll("\\", "/").split("/");
const world = vm.createContext({
  print: () => {},
  alert: () => {},
  author: {
    Task: (name, type) => new Task(name, type),
    Command: (name, parameters) => ({ name, parameters }),
  },
  path: {
    basename: (file) => parts(file).pop(),
    dirname: (file) => parts(file).slice(0, -1).join("/") || ".",
    join: (...names) => names.join("/"),
    stem: (file) => parts(file).pop().replace(/\.[^.]*$/, ""),
  },
  frameChunker,
  formatTimestampLocal: (time) => {
    const two = (number) => String(number).padStart(2, "0");
    const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
    return `${day}_${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
  },
});
vm.runInContext(fs.readFileSync(script, "utf8"), world, { filename: script });
try {
  vm.runInContext("compileJob", world)(job);
} catch (refusal) {
  process.stderr.write(`${refusal.message || refusal}\n`);
  process.exit(1);
}
const kinds = vm.runInContext("JOB_TYPE.settings", world);
process.stdout.write(JSON.stringify({ tasks, settings, kinds }));
