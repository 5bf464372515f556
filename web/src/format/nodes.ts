/** What is to be said of the nodes of a cluster. */
import type { Schemas } from '../api/client';

type Living = Pick<Schemas['Node'], 'alive'>;

/** How many accounts of a node are read at a glance. */
const AT_A_GLANCE = 8;

/** Those that live before those that do not, each in the order they came in. */
export function livingFirst<Node extends Living>(nodes: readonly Node[]): Node[] {
  return [...nodes.filter(({ alive }) => alive), ...nodes.filter(({ alive }) => !alive)];
}

/** The versions that nodes run which live, each once, in the order they came in. */
export function versionsAlive(nodes: readonly (Living & Pick<Schemas['Node'], 'version'>)[]): string[] {
  return [...new Set(nodes.filter(({ alive }) => alive).map(({ version }) => version))];
}

/** The ids of a node's accounts that are shown at once, those that are shown on asking, and how many have no id here. */
export function worksOn({ works_on: ids, broker_accounts: all }: Pick<Schemas['Node'], 'works_on' | 'broker_accounts'>) {
  return { first: ids.slice(0, AT_A_GLANCE), further: ids.slice(AT_A_GLANCE), untold: Math.max(0, all - ids.length) };
}
