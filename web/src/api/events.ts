/** What happens at the program, as it happens: each event makes the lists that show it load again. */
import type { QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

export type StreamState = 'live' | 'reconnecting';

/** Which queries show what an event tells of, by the first part of their keys. */
const SHOWN_BY: Readonly<Record<string, readonly string[]>> = {
  delivery: ['webhooks', 'deliveries'],
  signal: ['signals', 'overview'],
  order: ['orders', 'signals'],
  fill: ['fills', 'signals'],
  position: ['positions', 'strategies'],
  account: ['accounts', 'overview'],
};

function loadAgain(queries: QueryClient, keys: readonly string[]): void {
  for (const key of keys) {
    void queries.invalidateQueries({ queryKey: [key] });
  }
}

/** Listens while it is mounted. The browser opens a lost stream again and says which event it saw last. */
export function useEvents(): StreamState {
  const queries = useQueryClient();
  const [state, setState] = useState<StreamState>('reconnecting');
  useEffect(() => {
    const stream = new EventSource('/api/v1/events');
    stream.onopen = () => {
      setState('live');
    };
    stream.onerror = () => {
      setState('reconnecting');
    };
    for (const [name, keys] of Object.entries(SHOWN_BY)) {
      stream.addEventListener(name, () => {
        loadAgain(queries, keys);
      });
    }
    stream.addEventListener('missed', () => {
      void queries.invalidateQueries();
    });
    return () => {
      stream.close();
    };
  }, [queries]);
  return state;
}
