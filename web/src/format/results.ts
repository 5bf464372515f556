/** What came of a signal, in a word. */

interface Outcome {
  status: string;
  code: string;
}

/** How many of a signal's strategies traded, of how many, and why the first of the others did not: `0/1: position limit`. */
export function resultOf(outcomes: readonly Outcome[]): string {
  const traded = outcomes.filter(({ status }) => status === 'filled' || status === 'partly_filled');
  const other = outcomes.find((outcome) => !traded.includes(outcome));
  const count = `${traded.length}/${outcomes.length}`;
  return other === undefined ? count : `${count}: ${(other.status === 'pending' ? 'pending' : other.code).replaceAll('_', ' ')}`;
}
