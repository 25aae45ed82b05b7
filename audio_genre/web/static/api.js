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

const sendFile = (path, method, body) => change(path, { method, body, headers: { "content-type": "application/octet-stream" } });

export const classify = (file) => sendFile(`/api/clips?picture=true&name=${encodeURIComponent(file.name)}`, "POST", file);

const send = (path, method, body) =>
  change(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
const query = (parameters) => new URLSearchParams(parameters).toString();

export const choose = (id) => send("/api/model", "PUT", { id });
export const report = () => send("/api/report", "POST");

export const folders = (folder) => request(`/api/library/folders?${query({ folder })}`);
export const tracks = (folder) => request(`/api/library/tracks?${query({ folder })}`);
export const audio = (folder, track) => `/api/library/audio?${query({ folder, track })}`;
export const correct = (folder, genres) => send("/api/library/genres", "PUT", { folder, genres });
export const task = () => request("/api/library/task");
export const begin = (order) => send("/api/library/task", "POST", order);
export const stop = () => send("/api/library/task", "DELETE");

export const account = () => request("/api/spotify");
export const login = (client_id, isPublic) => send("/api/spotify/login", "POST", { client_id, public: isPublic });
export const disconnect = () => send("/api/spotify", "DELETE");
export const songs = () => request("/api/spotify/songs");
export const sources = () => request("/api/spotify/sources");
export const sendTable = (role, file) => sendFile(`/api/spotify/tables/${role}?${query({ name: file.name })}`, "PUT", file);
export const moveSongs = (genres) => send("/api/spotify/genres", "PUT", { genres });
export const accountTask = (brief = false) => request(`/api/spotify/task?${query({ brief })}`);
export const beginAccountTask = (order) => send("/api/spotify/task", "POST", order);
export const stopAccountTask = () => send("/api/spotify/task", "DELETE");

export const chosen = () => request("/api/model");
export const models = () => request("/api/models");
export const measured = (id) => request(`/api/models/${encodeURIComponent(id)}`);
export const confusionPicture = (id) => `/api/models/${encodeURIComponent(id)}/confusion.png`;
