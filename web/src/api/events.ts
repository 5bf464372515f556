/** What happens at the program, as it happens: each event makes the lists that show it load again. */
import type { QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

export type StreamState = 'connecting' | 'live' | 'reconnecting';

/** Which queries show what an event tells of, by the first part of their keys. */
const SHOWN_BY: Readonly<Record<string, readonly string[]>> = {
  delivery: ['webhooks', 'deliveries'],
  signal: ['signals'],
  order: ['orders', 'signals'],
  fill: ['fills', 'signals'],
  position: ['positions', 'strategies'],
  account: ['accounts'],
};

/** Events come by the thousand in a burst; lists load again at most this often. In milliseconds. */
const PACE = 250;

/** Gathers what happened, and makes it load again at once, then at the pace. */
function gathering(queries: QueryClient) {
  const waiting = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const load = () => {
    if (waiting.size === 0) {
      timer = undefined;
      return;
    }
    for (const key of waiting) {
      // An answer that is on its way may be older than the event: it is asked for again once it is here.
      if (queries.isFetching({ queryKey: [key] }) === 0) {
        waiting.delete(key);
        void queries.invalidateQueries({ queryKey: [key] });
      }
    }
    timer = setTimeout(load, PACE);
  };
  return {
    happened(keys: readonly string[]) {
      for (const key of keys) {
        waiting.add(key);
      }
      timer ??= setTimeout(load, 0);
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

/** Listens while it is mounted. The browser opens a lost stream again and says which event it saw last. */
export function useEvents(): StreamState {
  const queries = useQueryClient();
  const [state, setState] = useState<StreamState>('connecting');
  useEffect(() => {
    const lists = gathering(queries);
    let listened = false;
    const listen = () => {
      const stream = new EventSource('/api/v1/events');
      stream.onopen = () => {
        // What happened while nobody listened is loaded again, whoever was away.
        if (listened) {
          void queries.invalidateQueries();
        }
        listened = true;
        setState('live');
      };
      stream.onerror = () => {
        setState('reconnecting');
      };
      for (const [name, keys] of Object.entries(SHOWN_BY)) {
        stream.addEventListener(name, () => {
          lists.happened(keys);
        });
      }
      stream.addEventListener('missed', () => {
        void queries.invalidateQueries();
      });
      return stream;
    };
    let stream = listen();
    // A browser gives a stream up for good when it was refused once.
    const reviving = setInterval(() => {
      if (stream.readyState === EventSource.CLOSED) {
        stream = listen();
      }
    }, 3_000);
    return () => {
      clearInterval(reviving);
      stream.close();
      lists.stop();
    };
  }, [queries]);
  return state;
}
