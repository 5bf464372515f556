/** What is known of the program's answers, once for the whole application. */
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';

import { Problem } from './client';
import { meQuery } from './session';

/**
 * A refusal is an answer: asking again does not change it. Without a network a request fails at once: none is kept back
 * to be sent when the network returns, because an order is not to leave when nobody expects it any more. What was written
 * with, and what came back, holds passwords and secrets: it goes with the page that wrote.
 */
export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noteSignOut }),
  mutationCache: new MutationCache({ onError: noteSignOut }),
  defaultOptions: {
    queries: { retry: false, staleTime: 1_000, networkMode: 'always', refetchOnReconnect: true },
    mutations: { networkMode: 'always', gcTime: 0 },
  },
});

/** Makes everything load again whose keys begin with one of these. It does not wait: what was done is done. */
export function changed(...resources: readonly string[]): void {
  for (const resource of resources) {
    void queries.invalidateQueries({ queryKey: [resource] });
  }
}

/** A session that ended shows the sign-in page instead of a page of refusals. */
function noteSignOut(error: Error): void {
  if (error instanceof Problem && error.code === 'unauthenticated') {
    queries.setQueryData(meQuery.queryKey, null);
  }
}
