/** The program's API, typed by its own OpenAPI document. */
import createClient, { type Middleware } from 'openapi-fetch';

import type { components, paths } from './schema';

export type Schemas = components['schemas'];

/** What went wrong with a request, in the program's own words where it answered. */
export class Problem extends Error {
  constructor(
    /** The HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** The reason's stable text: `/help/<code>` explains it. */
    readonly code: string,
    /** The reason in a sentence. */
    detail: string,
    /** Sentences by the names of the fields that they are about. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

type Session = Pick<Schemas['Me'], 'id' | 'csrf_token'>;

/** Whose session it is, and the token that every write of it needs; lives in memory only. */
let session: Session | undefined;

export function keepSession(me: Session | undefined): void {
  session = me;
}

function withToken(request: Request): Request {
  if (session?.csrf_token != null && request.method !== 'GET') {
    request.headers.set('X-CSRF-Token', session.csrf_token);
  }
  return request;
}

/**
 * Sends a request. Another tab that logs in makes another session of the same user, whose token this page does not have
 * yet: it is asked for, and the write that was refused for the want of it, and did nothing, is sent once more.
 */
export async function send(request: Request): Promise<Response> {
  const again = request.clone();
  const answer = await fetch(withToken(request));
  if (answer.status !== 403 || session === undefined) {
    return answer;
  }
  const refusal: unknown = await answer.clone().json().catch(() => undefined);
  if (problemOf(403, refusal).code !== 'csrf_required') {
    return answer;
  }
  const me = await fetch('/api/v1/me', { credentials: 'same-origin' });
  const present = me.ok ? ((await me.json()) as Session) : undefined;
  if (present?.id !== session.id) {
    return answer;
  }
  session = present;
  return fetch(withToken(again));
}

const failures: Middleware = {
  onError() {
    return new Problem(0, 'offline', 'The program cannot be reached. What you see may be old.');
  },
};

export const api = createClient<paths>({ credentials: 'same-origin', fetch: send });
api.use(failures);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body; throws a {@link Problem} where it is a refusal. */
export async function got<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) {
    return data as T;
  }
  throw problemOf(response.status, error);
}

export function problemOf(status: number, body: unknown): Problem {
  if (typeof body === 'object' && body !== null && 'code' in body && 'detail' in body) {
    const { code, detail } = body;
    const fields = 'fields' in body ? (body.fields as Record<string, string>) : {};
    return new Problem(status, String(code), String(detail), fields);
  }
  return new Problem(status, 'internal', `The program answered ${status} without saying why.`);
}
