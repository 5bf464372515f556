/** Why an order is as it is. */

interface Reason {
  /** Where the reason names it: `/help/<code>` explains it. */
  code?: string;
  sentence: string;
}

/** Of an order that Atomik itself denied, the code stands before the sentence. What brokers write is theirs. */
export function reasonOf({ status, reason }: { status: string; reason?: string | null }): Reason {
  const [, code, sentence] = /^([a-z]+(?:_[a-z]+)*): (.+)$/s.exec(reason ?? '') ?? [];
  return status === 'denied' && code !== undefined && sentence !== undefined
    ? { code, sentence }
    : { sentence: reason ?? '' };
}
