/** Alerts, sent the way TradingView sends them: a POST over plain HTTP from outside any browser. */

export interface Answer {
  status: number;
  body: Readonly<Record<string, unknown>>;
  headers: Headers;
}

/** `application/json` where the message is valid JSON, `text/plain` where it is not. */
export async function sendAlert(url: string, message: string): Promise<Answer> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': isJson(message) ? 'application/json' : 'text/plain; charset=utf-8' },
    body: message,
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'], headers: answer.headers };
}

function isJson(message: string): boolean {
  try {
    JSON.parse(message);
    return true;
  } catch {
    return false;
  }
}
