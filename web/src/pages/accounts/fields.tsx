/** The fields that a broker's own description asks for: nothing here knows any broker. */
import { NativeSelect, Stack, Text, TextInput, Textarea } from '@mantine/core';
import type { UseFormReturnType } from '@mantine/form';

import type { Schemas } from '../../api/client';
import { settingOf } from '../../format/settings';
import { SecretInput } from '../../parts/secret_input';

interface FieldsProps<Field, Values> {
  fields: readonly Field[];
  form: UseFormReturnType<Values>;
}

export type Texts = Record<string, string>;

const BELOW = ['label', 'input', 'description', 'error'] as ('label' | 'input' | 'description' | 'error')[];

/** Secrets: they are only ever in the form's own memory. */
export function CredentialFields<Values>({ fields, form }: FieldsProps<Schemas['CredentialField'], Values>) {
  return fields.map(({ name, label, description, required, multiline }) => {
    const place = `credentials.${name}`;
    const shared = { autoComplete: 'off', description, inputWrapperOrder: BELOW, label, required };
    return multiline ? (
      <Textarea autosize key={form.key(place)} minRows={3} spellCheck={false} {...shared} {...form.getInputProps(place)} />
    ) : (
      <SecretInput key={form.key(place)} {...shared} {...form.getInputProps(place)} />
    );
  });
}

export function SettingFields<Values>({ fields, form }: FieldsProps<Schemas['SettingField'], Values>) {
  return (
    <Stack>
      <Text size="sm">What is left empty gets its default.</Text>
      {fields.map((field) => (
        <SettingInput field={field} form={form} key={field.name} />
      ))}
    </Stack>
  );
}

function SettingInput<Values>({ field, form }: { field: Schemas['SettingField']; form: UseFormReturnType<Values> }) {
  const { name, label, description, kind, choices } = field;
  const place = `settings.${name}`;
  const shared = { description, inputWrapperOrder: BELOW, label, ...form.getInputProps(place) };
  switch (kind) {
    case 'choice':
    case 'boolean': {
      const offered = kind === 'choice' ? choices.map((value) => ({ value, label: value })) : ON_AND_OFF;
      return <NativeSelect data={[{ value: '', label: 'Default' }, ...offered]} key={form.key(place)} {...shared} />;
    }
    case 'decimals':
      return <Textarea autosize key={form.key(place)} minRows={1} {...shared} />;
    default:
      return (
        <TextInput
          inputMode={kind === 'integer' ? 'numeric' : kind === 'decimal' ? 'decimal' : 'text'}
          key={form.key(place)}
          placeholder={kind === 'list' ? 'one, another' : undefined}
          {...shared}
        />
      );
  }
}

const ON_AND_OFF = [
  { value: 'true', label: 'Yes' },
  { value: 'false', label: 'No' },
];

/** Every field's text, to begin with. */
export function textsOf<Field extends { name: string }>(fields: readonly Field[], text: (field: Field) => string): Texts {
  return Object.fromEntries(fields.map((field) => [field.name, text(field)]));
}

/** Says at the field what could not be sent at all. */
export function checkTexts(fields: readonly Schemas['SettingField'][], settings: Texts): Texts {
  const errors: Texts = {};
  for (const { name, kind } of fields) {
    try {
      if ((settings[name] ?? '').trim() !== '') {
        settingOf(kind, settings[name] ?? '');
      }
    } catch {
      errors[`settings.${name}`] = 'This is not written as JSON: {"name": "value"}, with the quotation marks.';
    }
  }
  return errors;
}
