/** Who is signed in, and getting in and out. */
import { queryOptions } from '@tanstack/react-query';

import { Problem, api, got, keepSession } from './client';

export const systemQuery = queryOptions({
  queryKey: ['system'],
  queryFn: () => got(api.GET('/api/v1/system')),
});

/** The signed-in user, or null. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  staleTime: 60_000,
  queryFn: async () => {
    try {
      const me = await got(api.GET('/api/v1/me'));
      keepSession(me);
      return me;
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 401) {
        return null;
      }
      throw problem;
    }
  },
});

export interface Credentials {
  email: string;
  password: string;
}

export async function logIn(credentials: Credentials): Promise<void> {
  await got(api.POST('/api/v1/auth/login', { body: credentials }));
}

export async function register(credentials: Credentials): Promise<void> {
  await got(api.POST('/api/v1/auth/register', { body: credentials }));
  await logIn(credentials);
}

export async function logOut(): Promise<void> {
  await got(api.POST('/api/v1/auth/logout'));
  keepSession(undefined);
}
