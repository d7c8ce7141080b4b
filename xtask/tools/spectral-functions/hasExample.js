// A body has an example if its media type or schema has one, or if every field of it does.
const exemplified = (schema, depth = 0) => {
  if (schema === null || typeof schema !== 'object' || depth > 8) return false;
  if ('example' in schema || 'default' in schema || 'enum' in schema) return true;
  if (schema.type === 'array') return exemplified(schema.items, depth + 1);
  const parts = schema.oneOf ?? schema.allOf;
  if (parts) return parts.some((part) => exemplified(part, depth + 1));
  const fields = Object.values(schema.properties ?? {});
  return fields.length > 0 && fields.every((field) => exemplified(field, depth + 1));
};

export default (media) => {
  if ('example' in media || 'examples' in media || exemplified(media.schema)) return [];
  return [{ message: 'Give the type an example.' }];
};
