// A button that records the microphone. The samples reach Python as one message of float32.

const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
})`;
// The cochlea is to hear what was said, not what a telephone would pass on
const MICROPHONE = { echoCancellation: false, noiseSuppression: false };

function refusal(error) {
  const reasons = {
    NotAllowedError: "The browser does not allow this page to record",
    NotFoundError: "The browser finds no microphone",
  };
  return `${reasons[error.name] ?? `Recording failed (${error.message})`}; upload a wav file.`;
}

async function record(seconds) {
  if (!navigator.mediaDevices) {
    throw new Error("pages record on localhost or by https only");
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
  const context = new AudioContext();
  const blocks = [];
  const url = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  URL.revokeObjectURL(url);
  const tap = new AudioWorkletNode(context, "tap");
  tap.port.onmessage = (event) => blocks.push(event.data);
  context.createMediaStreamSource(stream).connect(tap);
  tap.connect(context.destination); // silent; a node that leads nowhere need not run
  return async function finish() {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
    const rate = context.sampleRate;
    const samples = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
    let end = 0;
    for (const block of blocks) {
      samples.set(block, end);
      end += block.length;
    }
    return { samples: samples.slice(0, seconds * rate), rate };
  };
}

function render({ model, el }) {
  const button = document.createElement("button");
  const status = document.createElement("span");
  button.className = "jupyter-button widget-button jupyter-widgets";
  button.title = `Record one word of at most ${model.get("seconds")} s with the microphone`;
  button.textContent = "Record";
  el.append(button, status);

  function say(text, role) {
    status.setAttribute("role", role);
    status.textContent = ` ${text}`;
  }

  const seconds = model.get("seconds");
  let starting = false;
  let finish = null; // ends the recording that is under way
  let timer = null;

  async function stop() {
    clearTimeout(timer);
    const end = finish;
    finish = null;
    button.textContent = "Record";
    say("", "status");
    const { samples, rate } = await end();
    model.send({ rate }, undefined, [samples.buffer]);
  }

  button.onclick = async () => {
    if (starting) return;
    if (finish) return stop();
    starting = true; // a disabled button would lose the focus
    try {
      finish = await record(seconds);
      button.textContent = "Stop";
      say("Recording: say one word.", "status");
      timer = setTimeout(stop, 1000 * seconds);
    } catch (error) {
      say(refusal(error), "alert");
    }
    starting = false;
  };
  return () => finish && stop();
}

export default { render };
