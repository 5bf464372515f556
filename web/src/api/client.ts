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

/** Needed for every write of a session; lives in memory only. */
let csrfToken: string | null | undefined;

export function keepCsrfToken(token: string | null | undefined): void {
  csrfToken = token;
}

const session: Middleware = {
  onRequest({ request }) {
    if (csrfToken && request.method !== 'GET') {
      request.headers.set('X-CSRF-Token', csrfToken);
    }
  },
  onError() {
    return new Problem(0, 'offline', 'The program cannot be reached. What you see may be old.');
  },
};

export const api = createClient<paths>({ credentials: 'same-origin' });
api.use(session);

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
