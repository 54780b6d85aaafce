import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Certificate } from '../../lab/certificates.ts';
import { describeGroup, keyOf, type LabelSelector, mergePatch, parsePath, parseSelector } from './api-path.ts';
import { FieldManagers } from './field-managers.ts';

/** An object as the API has it. */
export interface KubeObject {
  metadata: { namespace?: string; name: string; resourceVersion?: string; [key: string]: unknown };
  [key: string]: unknown;
}

interface LoggedEvent {
  readonly version: number;
  readonly collection: string;
  readonly type: string;
  readonly object: KubeObject;
}

interface DeleteWords {
  readonly preconditions?: { readonly uid?: string };
  readonly gracePeriodSeconds?: number;
}

interface Watcher {
  readonly collection: string;
  readonly selector: LabelSelector;
  readonly response: ServerResponse;
  readonly token: string;
}

/** A fault for one request that matches: an answer instead of the right one, or a connection cut. */
export interface Fault {
  /** `METHOD PATH?QUERY` of the request. */
  readonly on: RegExp;
  /**
   * HTTP status; `cut` closes the connection without an answer, `silence` leaves it open; `late`: the right one,
   * after the events of the next 100 ms were sent.
   */
  readonly answer: number | 'cut' | 'silence' | 'late';
  readonly headers?: Readonly<Record<string, string>>;
  /** What a status other than 200 says. */
  readonly message?: string;
}

/** How a server is reached, and by whom. */
export interface ServerWords {
  /** Absent: plain HTTP. */
  readonly tls?: Certificate & {
    /** Whose client certificates count, PEM. */
    readonly clientAuthority?: string;
  };
  /** Default 127.0.0.1; `any`: all addresses, so that listening is done at once, in the namespace of this moment. */
  readonly address?: string;
  /** Absent: everybody may ask; others are answered 401. */
  readonly admits?: (request: IncomingMessage) => boolean;
}

/** Common name of the client's certificate, if it is one of the server's client authority. */
export function clientNameOf(request: IncomingMessage): string | undefined {
  const socket = request.socket as TLSSocket;
  if (!socket.authorized) return undefined;
  return [socket.getPeerCertificate().subject?.CN].flat()[0];
}

/**
 * An API server for tests that speaks the real protocol over HTTP: lists in pages of one version,
 * watches with resource versions and bookmarks, 410 for what was compacted, 409 for old versions,
 * merge patches of objects and of their status only; and configured faults.
 */
export class TestApiServer {
  readonly requests: string[] = [];
  /** Whether it answers no request, like an overloaded server. */
  isSilent = false;
  /** Requests that arrived meanwhile. */
  readonly unanswered: string[] = [];
  /** Whether watches get no events, like over a connection whose loss is not detected yet. */
  isMute = false;
  /** Collections whose watches get no events, while others get all. */
  readonly mute = new Set<string>();
  /** Ends an object that does not go at once when it is deleted; returns whether it does. */
  end: ((collection: string, key: string, graceSeconds: number | undefined) => boolean) | undefined;
  /** Tokens of clients that are cut off: nothing from them arrives, and nothing is sent to them. */
  readonly cut = new Set<string>();
  /** Hears of every request that arrives, with its client's token. */
  onRequest: (line: string, token: string) => void = () => undefined;
  /** What a SelfSubjectAccessReview is answered. */
  mayDo: (attributes: Readonly<Record<string, unknown>>) => boolean = () => true;
  /** Users by their tokens, for TokenReviews. */
  readonly tokens = new Map<string, string>();
  /** Users that may get paths that are no resources, as `USER PATH`. */
  readonly readers = new Set<string>();
  /** Documents at paths that are no resources, such as OpenAPI schemas. */
  readonly documents = new Map<string, unknown>();
  /** How many connections were made to it. */
  connections = 0;
  /** How many requests were answered 401. */
  refusals = 0;
  readonly #sockets: Socket[] = [];
  readonly #lost = new WeakSet<Socket>();
  readonly #server: Server;
  readonly #words: ServerWords;
  readonly #collections = new Map<string, Map<string, KubeObject>>();
  readonly #log: LoggedEvent[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #snapshots = new Map<string, { readonly items: readonly KubeObject[]; readonly version: number }>();
  readonly #faults: Fault[] = [];
  readonly #managers = new Map<string, FieldManagers>();
  readonly #listeners = new Set<(collection: string) => void>();
  #version = 100;
  #oldest = 0;

  /** @param collections paths of the lists that the server knows, such as `/api/v1/services` */
  constructor(collections: readonly string[], words: ServerWords = {}) {
    this.#words = words;
    for (const collection of collections) this.#collections.set(collection, new Map());
    const listener: RequestListener = (request, response) => void this.#answer(request, response);
    const { tls } = words;
    this.#server =
      tls === undefined
        ? createServer(listener)
        : createSecureServer(
            {
              cert: tls.certificate,
              key: tls.key,
              ...(tls.clientAuthority !== undefined && {
                ca: tls.clientAuthority,
                requestCert: true,
                rejectUnauthorized: false,
              }),
            },
            listener,
          );
    this.#server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.connections++;
      this.#sockets.push(socket);
    });
  }

  async start(): Promise<string> {
    const { tls, address = '127.0.0.1' } = this.#words;
    if (address === 'any') this.#server.listen(0);
    else this.#server.listen(0, address);
    await once(this.#server, 'listening');
    const host = address === 'any' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address;
    return `${tls === undefined ? 'http' : 'https'}://${host}:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  addCollection(collection: string): void {
    this.#collections.set(collection, new Map());
  }

  /** The kind is served no more, as when its definition was deleted; watches of it end. */
  removeCollection(collection: string): void {
    this.#collections.delete(collection);
    for (const watcher of this.#watchers) {
      if (watcher.collection !== collection) continue;
      watcher.response.end();
      this.#watchers.delete(watcher);
    }
  }

  /** Makes the next request that matches fail. */
  fail(fault: Fault): void {
    this.#faults.push(fault);
  }

  /** No more faults. */
  clearFaults(): void {
    this.#faults.length = 0;
  }

  /** How many faults have not happened yet. */
  get faultsLeft(): number {
    return this.#faults.length;
  }

  /** Hears of every change, after it: for what in a cluster acts by itself. */
  onChange(listener: (collection: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Changes fields of an object like `kubectl edit`, with its own field manager. */
  edit(collection: string, key: string, changes: Readonly<Record<string, unknown>>, manager = 'kubectl-edit'): void {
    const object = structuredClone(this.#objects(collection).get(key));
    if (object === undefined) throw new Error(`No such object: ${collection} ${key}`);
    this.#managersOf(collection, key).edit(object, changes as KubeObject, manager);
    this.#store(collection, key, object, 'MODIFIED');
  }

  #managersOf(collection: string, key: string): FieldManagers {
    const place = `${collection} ${key}`;
    const managers = this.#managers.get(place) ?? new FieldManagers();
    this.#managers.set(place, managers);
    return managers;
  }

  get watchCount(): number {
    return this.#watchers.size;
  }

  /** Creates or changes an object as another client. */
  put(collection: string, object: KubeObject): KubeObject {
    const objects = this.#objects(collection);
    const key = keyOf(object);
    return this.#store(collection, key, structuredClone(object), objects.has(key) ? 'MODIFIED' : 'ADDED');
  }

  remove(collection: string, key: string): void {
    const object = this.#objects(collection).get(key);
    if (object === undefined) return;
    this.#objects(collection).delete(key);
    this.#managers.delete(`${collection} ${key}`);
    const gone = structuredClone(object);
    gone.metadata.resourceVersion = `${++this.#version}`;
    this.#tell({ version: this.#version, collection, type: 'DELETED', object: gone });
  }

  get(collection: string, key: string): KubeObject | undefined {
    return this.#objects(collection).get(key);
  }

  /** Whether the server knows a kind. */
  has(collection: string): boolean {
    return this.#collections.has(collection);
  }

  /** All objects of a list. */
  all(collection: string): readonly KubeObject[] {
    return [...this.#objects(collection).values()];
  }

  /** Cuts all connections. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  /** Answers nothing by the connections that there are, as where one of several servers lost its power. */
  loseConnections(): void {
    for (const socket of this.#sockets) this.#lost.add(socket);
  }

  /** Cuts all watches as a lost connection does. */
  dropWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  /** Forgets all events so far: watches from before get 410. */
  compact(): void {
    this.#oldest = this.#version;
    this.#log.length = 0;
    this.#snapshots.clear();
  }

  /** Tells all watches the newest version. */
  bookmark(): void {
    for (const { response } of this.#watchers) {
      const object = { metadata: { resourceVersion: `${this.#version}` } };
      response.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
    }
  }

  #objects(collection: string): Map<string, KubeObject> {
    const objects = this.#collections.get(collection);
    if (objects === undefined) throw new Error(`No such collection: ${collection}`);
    return objects;
  }

  #store(collection: string, key: string, object: KubeObject, type: string): KubeObject {
    object.metadata.resourceVersion = `${++this.#version}`;
    this.#objects(collection).set(key, object);
    this.#tell({ version: this.#version, collection, type, object });
    return object;
  }

  #tell(event: LoggedEvent): void {
    this.#log.push(event);
    for (const { collection, selector, response, token } of this.isMute ? [] : this.#watchers) {
      if (this.mute.has(collection) || this.cut.has(token)) continue;
      if (collection === event.collection && selector(event.object)) response.write(`${JSON.stringify(event)}\n`);
    }
    for (const listener of this.#listeners) listener(event.collection);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = `${request.method} ${request.url}`;
    const token = tokenOf(request);
    if (this.isSilent) this.unanswered.push(line);
    if (this.isSilent || this.#lost.has(request.socket) || this.cut.has(token)) return;
    this.onRequest(line, token);
    if (this.#words.admits?.(request) === false) {
      this.refusals++;
      refuse(response, 401, 'Unauthorized');
      return;
    }
    this.requests.push(line);
    const fault = this.#faults.findIndex(({ on }) => on.test(line));
    const [{ answer, headers = {}, message = 'a fault' } = { answer: 200 } as Fault] =
      fault < 0 ? [] : this.#faults.splice(fault, 1);
    if (answer === 'silence') return;
    if (answer === 'cut') return void request.socket.destroy();
    if (answer === 'late') {
      const end = response.end.bind(response) as (text: unknown) => ServerResponse;
      response.end = (text?: unknown) => {
        setTimeout(() => end(text), 100);
        return response;
      };
    } else if (answer !== 200) {
      response.writeHead(answer, headers).end(JSON.stringify({ kind: 'Status', code: answer, message }));
      return;
    }
    const url = new URL(request.url ?? '/', 'http://server');
    const body = await readBody(request);
    if (request.headers['content-type'] === 'application/apply-patch+yaml') {
      this.#apply(url, body as KubeObject, response);
      return;
    }
    if (url.pathname === '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') {
      const { resourceAttributes } = (body as { spec: { resourceAttributes: Readonly<Record<string, unknown>> } }).spec;
      send(response, 201, { ...(body as object), status: { allowed: this.mayDo(resourceAttributes) } });
      return;
    }
    if (url.pathname === '/apis/authentication.k8s.io/v1/tokenreviews') {
      const username = this.tokens.get((body as { spec: { token: string } }).spec.token);
      const status = username === undefined ? { authenticated: false } : { authenticated: true, user: { username } };
      send(response, 201, { ...(body as object), status });
      return;
    }
    if (url.pathname === '/apis/authorization.k8s.io/v1/subjectaccessreviews') {
      const { user, nonResourceAttributes: on } = (body as { spec: { user: string; nonResourceAttributes: object } })
        .spec;
      const allowed = this.readers.has(`${user} ${(on as { path: string }).path}`);
      send(response, 201, { ...(body as object), status: { allowed } });
      return;
    }
    const inNamespace = /^(\/api\/v1)\/namespaces\/([^/]+)\/events$/.exec(url.pathname);
    if (request.method === 'GET' && inNamespace !== null) {
      const uid = url.searchParams.get('fieldSelector')?.split('=')[1];
      const items = this.all(`${inNamespace[1]}/events`).filter((event) => {
        const about = event.involvedObject as { uid?: unknown } | undefined;
        return event.metadata.namespace === inNamespace[2] && about?.uid === uid;
      });
      send(response, 200, { kind: 'EventList', metadata: { resourceVersion: `${this.#version}` }, items });
      return;
    }
    if (request.method === 'GET' && this.documents.has(url.pathname)) {
      send(response, 200, this.documents.get(url.pathname));
      return;
    }
    const discovered =
      request.method === 'GET' ? describeGroup(url.pathname, [...this.#collections.keys()]) : undefined;
    if (discovered !== undefined) {
      send(response, 200, discovered);
      return;
    }
    if (this.#collections.has(url.pathname) && request.method === 'GET') {
      if (url.searchParams.get('watch') === 'true') this.#watch(url, response, token);
      else this.#list(url, response);
      return;
    }
    const { root, namespace, plural, name } = parsePath(url.pathname);
    if (request.method === 'GET' && plural !== '' && name === undefined && this.has(`${root}/${plural}`)) {
      const isChosen = parseSelector(url);
      const isSelected = (one: KubeObject) => one.metadata.namespace === namespace && isChosen(one);
      if (url.searchParams.get('watch') === 'true') {
        this.#watch(url, response, token, { collection: `${root}/${plural}`, selector: isSelected });
        return;
      }
      const items = this.all(`${root}/${plural}`).filter(isSelected);
      send(response, 200, { kind: 'List', metadata: { resourceVersion: `${this.#version}` }, items });
      return;
    }
    const isStrategic = request.headers['content-type'] === 'application/strategic-merge-patch+json';
    this.#answerObject(request.method ?? '', url.pathname, isStrategic ? this.#resolve(url, body) : body, response);
  }

  /** The merge patch that does what a strategic one does, whose lists of conditions are merged by type. */
  #resolve(url: URL, patch: unknown): unknown {
    const { root, namespace, plural, name } = parsePath(url.pathname);
    const known = this.#collections.get(`${root}/${plural}`)?.get(`${namespace}/${name}`)?.status;
    type Status = { conditions?: readonly { readonly type: string }[] } | undefined;
    const status = (patch as { status?: Status }).status;
    const written = status?.conditions ?? [];
    const others = ((known as Status)?.conditions ?? []).filter(
      (one) => !written.some(({ type }) => type === one.type),
    );
    return { ...(patch as object), status: { ...status, conditions: [...others, ...written] } };
  }

  #list(url: URL, response: ServerResponse): void {
    const limit = Number(url.searchParams.get('limit') ?? 500);
    const [id = `${++this.#version}`, from = '0'] = url.searchParams.get('continue')?.split(' ') ?? [];
    if (from === '0') this.#snapshots.set(id, { items: this.all(url.pathname), version: this.#version });
    const snapshot = this.#snapshots.get(id);
    if (snapshot === undefined) {
      refuse(response, 410, 'the continue token is too old');
      return;
    }
    const next = Number(from) + limit;
    const items = snapshot.items.slice(Number(from), next).filter(parseSelector(url));
    const token = next < snapshot.items.length ? { continue: `${id} ${next}` } : {};
    send(response, 200, { kind: 'List', metadata: { resourceVersion: `${snapshot.version}`, ...token }, items });
  }

  #watch(
    url: URL,
    response: ServerResponse,
    token: string,
    { collection, selector }: Pick<Watcher, 'collection' | 'selector'> = {
      collection: url.pathname,
      selector: parseSelector(url),
    },
  ): void {
    const from = Number(url.searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < this.#oldest) {
      const object = { kind: 'Status', code: 410, message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const event of this.#log) {
      if (event.collection !== collection || event.version <= from || !selector(event.object)) continue;
      response.write(`${JSON.stringify(event)}\n`);
    }
    const watcher = { collection, selector, response, token };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  /** Server-side apply, without `force`. */
  #apply(url: URL, wanted: KubeObject, response: ServerResponse): void {
    const { root, namespace, plural, name } = parsePath(url.pathname);
    const collection = `${root}/${plural}`;
    const objects = this.#collections.get(collection);
    if (objects === undefined || name === undefined) {
      refuse(response, 404, 'the server could not find the requested resource');
      return;
    }
    const key = `${namespace}/${name}`;
    const known = objects.get(key);
    const identity = { uid: `uid-${++this.#version}`, creationTimestamp: new Date().toISOString() };
    const object = known === undefined ? { metadata: { namespace, name, ...identity } } : structuredClone(known);
    const manager = url.searchParams.get('fieldManager') ?? '';
    const before = JSON.stringify(object);
    const conflicts = this.#managersOf(collection, key).apply(object, wanted as KubeObject, manager);
    if (conflicts.length > 0) {
      const list = conflicts.map((one) => `conflict with "${one.manager}": ${one.field}`).join(', ');
      const causes = conflicts.map(({ field }) => ({ reason: 'FieldManagerConflict', field }));
      const message = `Apply failed with ${conflicts.length} conflicts: ${list}`;
      send(response, 409, {
        kind: 'Status',
        status: 'Failure',
        reason: 'Conflict',
        code: 409,
        message,
        details: { causes },
      });
      return;
    }
    if (known !== undefined && JSON.stringify(object) === before) send(response, 200, known);
    else
      send(
        response,
        200,
        this.#store(collection, key, object as KubeObject, known === undefined ? 'ADDED' : 'MODIFIED'),
      );
  }

  #answerObject(method: string, path: string, body: unknown, response: ServerResponse): void {
    const { root, namespace, plural, name, part } = this.#parseObjectPath(path);
    const collection = `${root}/${plural}`;
    const objects = this.#collections.get(collection);
    if (objects === undefined) {
      refuse(response, 404, 'no such resource');
      return;
    }
    if (name === undefined) {
      this.#create(collection, namespace, body as KubeObject, response);
      return;
    }
    const key = namespace === '' ? name : `${namespace}/${name}`;
    const object = objects.get(key);
    if (object === undefined) {
      refuse(response, 404, 'not found');
      return;
    }
    if (method === 'GET') {
      send(response, 200, object);
      return;
    }
    if (method === 'DELETE') {
      this.#delete(collection, key, body as DeleteWords | undefined, response);
      return;
    }
    const change = body as Partial<KubeObject>;
    const wanted = change.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== object.metadata.resourceVersion) {
      refuse(response, 409, 'the object has been modified');
      return;
    }
    // A status is changed by its own path alone, and that changes nothing else.
    const patched = method === 'PUT' ? { ...(body as KubeObject) } : (mergePatch(object, change) as KubeObject);
    const merged = part === 'status' ? { ...object, status: patched.status } : { ...patched, status: object.status };
    send(response, 200, this.#store(collection, key, structuredClone(merged) as KubeObject, 'MODIFIED'));
  }

  #delete(collection: string, key: string, words: DeleteWords | undefined, response: ServerResponse): void {
    const uid = words?.preconditions?.uid;
    const object = this.#objects(collection).get(key);
    if (uid !== undefined && uid !== object?.metadata.uid) {
      refuse(response, 409, 'the UID in the precondition does not match');
      return;
    }
    if (this.end?.(collection, key, words?.gracePeriodSeconds) !== true) this.remove(collection, key);
    send(response, 200, { kind: 'Status', status: 'Success' });
  }

  /** Also of an object that is in no namespace. */
  #parseObjectPath(path: string): ReturnType<typeof parsePath> {
    const parsed = parsePath(path);
    const collection = [...this.#collections.keys()].find((one) => path.startsWith(`${one}/`));
    if (parsed.plural !== '' || collection === undefined) return parsed;
    const cut = collection.lastIndexOf('/');
    const [name, part] = path.slice(collection.length + 1).split('/');
    return { root: collection.slice(0, cut), namespace: '', plural: collection.slice(cut + 1), name, part };
  }

  #create(collection: string, namespace: string, object: KubeObject, response: ServerResponse): void {
    const { generateName } = object.metadata;
    const name = object.metadata.name ?? `${String(generateName)}${++this.#version}`;
    const key = `${namespace}/${name}`;
    if (this.#objects(collection).has(key)) {
      refuse(response, 409, 'already exists');
      return;
    }
    const created = { ...object, metadata: { ...object.metadata, namespace, name } };
    send(response, 201, this.#store(collection, key, created, 'ADDED'));
  }
}

function tokenOf({ headers }: IncomingMessage): string {
  return headers.authorization?.replace(/^Bearer /, '') ?? '';
}

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, message: string): void {
  send(response, code, { kind: 'Status', status: 'Failure', code, message });
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? undefined : JSON.parse(text);
}
