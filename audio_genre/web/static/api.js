// Requests to the server; an answer that is no success is an Error with the server's sentence.
let session = null;

export function open() {
  session ??= request("/api/session").catch((error) => {
    session = null;
    throw error;
  });
  return session;
}

export async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; look whether it still runs.");
  }
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error(found.error ?? `The server answered with status ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return found;
}

async function change(path, options) {
  for (let isLast = false; ; isLast = true) {
    const { token } = await open();
    const headers = { ...options.headers, "x-audio-genre-token": token };
    try {
      return await request(path, { ...options, headers });
    } catch (error) {
      // The server was started again, and has another token.
      if (error.status !== 403 || isLast) throw error;
      session = null;
    }
  }
}

export const classify = (file) =>
  change(`/api/clips?name=${encodeURIComponent(file.name)}`, {
    method: "POST",
    body: file,
    headers: { "content-type": "application/octet-stream" },
  });

export const choose = (id) =>
  change("/api/model", { method: "PUT", body: JSON.stringify({ id }), headers: { "content-type": "application/json" } });

export const chosen = () => request("/api/model");
export const models = () => request("/api/models");
export const measured = (id) => request(`/api/models/${encodeURIComponent(id)}`);
export const confusionPicture = (id) => `/api/models/${encodeURIComponent(id)}/confusion.png`;
