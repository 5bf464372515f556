/** A broker's settings in a form: a text each, read and written by the kind that the catalogue names. */
import type { Schemas } from '../api/client';

type Kind = Pick<Schemas['SettingField'], 'name' | 'kind'>;

/** The text of a setting as the API shows it; what is not set is empty. */
export function settingText(kind: string, value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (kind === 'list' && Array.isArray(value)) {
    return value.join(', ');
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The setting that a text stands for. Figures with decimals stay text, so that they stay exact. Throws where an object is
 * written and is none; what else cannot be meant is left to the program to refuse. */
export function settingOf(kind: string, text: string): unknown {
  const written = text.trim();
  switch (kind) {
    case 'decimals':
      return JSON.parse(written) as unknown;
    case 'boolean':
      return written === 'true' || (written === 'false' ? false : written);
    case 'integer':
      return /^\d{1,15}$/.test(written) ? Number(written) : written;
    case 'list':
      return written.split(',').map((item) => item.trim()).filter((item) => item !== '');
    default:
      return written;
  }
}

/** What is sent of the texts of a form: what is left empty gets the broker's default. */
export function settingsOf(fields: readonly Kind[], texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const set = fields.filter(({ name }) => (texts[name] ?? '').trim() !== '');
  return Object.fromEntries(set.map(({ name, kind }) => [name, settingOf(kind, texts[name] ?? '')]));
}

/** The sentences at the settings that they are about: one at `settings.prices.ES` stands at `prices`. */
export function settingErrors(fields: Readonly<Record<string, string>>): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const [path, sentence] of Object.entries(fields)) {
    const [group = '', name, ...within] = path.split('.');
    const place = group === 'settings' && name !== undefined ? `${group}.${name}` : path;
    const said = place === path ? sentence : `${within.join('.')} ${sentence}`;
    errors[place] = errors[place] === undefined ? said : `${errors[place]}; ${said}`;
  }
  return errors;
}
