/** What happens at the program, as it happens: each event makes the lists that show it load again. */
import type { QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

export type StreamState = 'connecting' | 'live' | 'reconnecting';

type Key = readonly string[];

/** Which queries show what an event tells of, by what their keys begin with. */
const SHOWN_BY: Readonly<Record<string, readonly Key[]>> = {
  delivery: [['webhooks'], ['deliveries']],
  signal: [['signals']],
  order: [['orders'], ['signals']],
  fill: [['fills'], ['signals']],
  position: [['positions'], ['strategies', 'one']],
  account: [['accounts']],
};

/** Events come by the thousand in a burst; lists load again at most this often. In milliseconds. */
const PACE = 250;

/** Gathers what happened, and makes it load again at once, then at the pace. */
export function gathering(queries: QueryClient) {
  const waiting = new Map<string, Key>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const load = () => {
    if (waiting.size === 0) {
      timer = undefined;
      return;
    }
    for (const [name, key] of waiting) {
      // An answer that is on its way may be older than the event: it is asked for again once it is here.
      if (queries.isFetching({ queryKey: key }) === 0) {
        waiting.delete(name);
        void queries.invalidateQueries({ queryKey: key });
      }
    }
    timer = setTimeout(load, PACE);
  };
  return {
    happened(keys: readonly Key[]) {
      for (const key of keys) {
        waiting.set(key.join(), key);
      }
      timer ??= setTimeout(load, 0);
    },
    /** What happened is not known. */
    missed() {
      const known = queries.getQueryCache().getAll().map(({ queryKey: [resource] }) => [String(resource)]);
      this.happened(known);
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
    const missed = () => {
      lists.missed();
    };
    const listen = () => {
      const stream = new EventSource('/api/v1/events');
      stream.onopen = () => {
        // What happened before anybody listened is loaded again: a page's first answers may be older, too.
        missed();
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
      stream.addEventListener('missed', missed);
      return stream;
    };
    // A browser opens six connections to a server and no more: a page that nobody looks at leaves its own to others.
    const opened = () => (document.hidden ? undefined : listen());
    let stream = opened();
    const turned = () => {
      stream?.close();
      stream = opened();
      setState('connecting');
    };
    document.addEventListener('visibilitychange', turned);
    // A browser gives a stream up for good when it was refused once.
    const reviving = setInterval(() => {
      if (stream?.readyState === EventSource.CLOSED) {
        stream = opened();
      }
    }, 3_000);
    return () => {
      document.removeEventListener('visibilitychange', turned);
      clearInterval(reviving);
      stream?.close();
      lists.stop();
    };
  }, [queries]);
  return state;
}
