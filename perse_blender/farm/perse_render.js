// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type for Flamenco 3: renders a shot with PERSE. Copy this file into the folder "scripts" beside the Manager and
// restart it. Every Worker needs Blender with the PERSE extension and its engine.

const JOB_TYPE = {
  label: "PERSE Render",
  description: "Look whether a shot can be rendered with PERSE, render it in chunks, and make a film of it",
  settings: [
    {
      key: "frames", type: "string", required: true,
      eval: "f'{C.scene.frame_start}-{C.scene.frame_end}'",
      evalInfo: { showLinkButton: true, description: "The scene's frame range" },
      description: "Frames to render, such as 12, 1-240 or 1-10,20-24",
    },
    {
      key: "chunk_size", type: "int32", required: true, default: 20, propargs: { min: 1 }, visible: "submission",
      description: "Frames in one task. Each task starts Blender and the engine, which takes some seconds",
    },
    {
      key: "threads", type: "int32", required: true, default: 0, propargs: { min: 0, max: 1024 },
      description: "Cores for each task, where several share a machine. 0 takes what the machine gives",
    },
    {
      key: "make_video", type: "bool", required: true, default: false,
      description: "Make a film of the frames in the end. Needs FFmpeg, and another format than OpenEXR",
    },
    {
      key: "render_output_root", type: "string", subtype: "dir_path", required: true, visible: "submission",
      description: "Folder for the frames; folders named after the job and its time come below it",
    },
    {
      key: "add_path_components", type: "int32", required: true, default: 0, propargs: { min: 0, max: 32 },
      visible: "submission",
      description: "How many folders of the shot's own path come between",
    },
    {
      key: "render_output_path", type: "string", subtype: "file_path", editable: false,
      eval: "str(Path(abspath(settings.render_output_root), last_n_dir_parts(settings.add_path_components), jobname, '{timestamp}', '######'))",
      description: "Where the frames are written",
    },
    { key: "blendfile", type: "string", required: true, description: "The shot", visible: "web" },
    {
      key: "format", type: "string", required: true, eval: "C.scene.render.image_settings.file_format", visible: "web",
    },
    { key: "image_file_extension", type: "string", required: true, eval: "C.scene.render.file_extension", visible: "hidden" },
    { key: "fps", type: "float", eval: "C.scene.render.fps / C.scene.render.fps_base", visible: "hidden" },
  ],
};

const FILM_FORMATS = ["FFMPEG", "AVI_RAW", "AVI_JPEG"];
const NO_FILM_FROM = ["OPEN_EXR", "OPEN_EXR_MULTILAYER"];

// Ends Blender with 1 where it has no PERSE, and else asks the extension's own preflight. One line, with no path in it,
// so that it is right on every Worker, whatever system that has.
const PREFLIGHT = [
  "import bpy, os, runpy, sys",
  "found = [e for e in bpy.types.RenderEngine.__subclasses__() if getattr(e, 'bl_idname', '') == 'PERSE']",
  "found or (sys.stderr.write('PERSE preflight: no-extension: the PERSE extension is not enabled in this Blender; " +
    "install it for the user who renders' + os.linesep), sys.stderr.flush(), os._exit(1))",
  "runpy.run_path(os.path.join(os.path.dirname(sys.modules[found[0].__module__].__file__), 'perse_preflight.py'), " +
    "run_name='__main__')",
].join("; ");

function compileJob(job) {
  const settings = job.settings;
  if (FILM_FORMATS.includes(settings.format)) {
    throw `PERSE Render writes single pictures, not ${settings.format}: choose PNG or OpenEXR in the output properties`;
  }
  if (settings.make_video && NO_FILM_FROM.includes(settings.format)) {
    throw `no film can be made of ${settings.format}: turn off Make Video, or render PNG`;
  }
  settings.render_output_path = settings.render_output_path.replace("{timestamp}", formatTimestampLocal(job.created));
  const folder = path.dirname(settings.render_output_path);

  const preflight = author.Task("preflight", "blender");
  preflight.addCommand(blenderCommand(settings, []));
  job.addTask(preflight);

  const renders = frameChunker(settings.frames, settings.chunk_size).map((chunk) => renderTask(settings, chunk));
  for (const task of renders) {
    task.addDependency(preflight);
    job.addTask(task);
  }

  if (settings.make_video) {
    const video = videoTask(settings, folder);
    for (const task of renders) {
      video.addDependency(task);
    }
    job.addTask(video);
  }
  print(`PERSE Render: ${renders.length} render tasks into ${folder}`);
}

function renderTask(settings, chunk) {
  const task = author.Task(`render-${chunk}`, "blender");
  task.addCommand(blenderCommand(settings, [
    "--render-output", settings.render_output_path,
    "--render-format", settings.format,
    "--render-frame", chunk.replaceAll("-", ".."),
  ]));
  return task;
}

// Every task looks first: a Worker that lacks the extension, the engine or an avatar's file fails before its first
// frame, so the Manager blocks that Worker for this job and the others go on.
function blenderCommand(settings, render) {
  const threads = settings.threads > 0 ? ["--threads", String(settings.threads)] : [];
  return author.Command("blender-render", {
    exe: "{blender}",
    exeArgs: "{blenderArgs}",
    argsBefore: [],
    blendfile: settings.blendfile,
    args: ["--python-exit-code", "1", ...threads, "--python-expr", PREFLIGHT, "--engine", "PERSE", ...render],
  });
}

function videoTask(settings, folder) {
  const task = author.Task("video", "ffmpeg");
  task.addCommand(author.Command("frames-to-video", {
    exe: "ffmpeg",
    fps: settings.fps,
    inputGlob: path.join(folder, `*${settings.image_file_extension}`),
    outputFile: path.join(folder, `${path.stem(settings.blendfile)}.mp4`),
    args: ["-c:v", "h264", "-crf", "18", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-y"],
  }));
  return task;
}
