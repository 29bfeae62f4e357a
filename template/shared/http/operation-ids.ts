interface Operation {
  readonly operationId?: string;
}

/**
 * Refuses operations of an OpenAPI document without an id of their own: generated clients name functions by it.
 *
 * @param paths of the document
 */
export function assertOperationIds(paths: object): void {
  const places = new Map<string, string>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { operationId }] of Object.entries<Operation>(operations)) {
      const place = `${method.toUpperCase()} ${path}`;
      if (operationId === undefined) throw new Error(`${place} has no operation id. Add one.`);
      const other = places.get(operationId);
      if (other !== undefined)
        throw new Error(`${other} and ${place} have the operation id ${operationId}. Rename one.`);
      places.set(operationId, place);
    }
  }
}
