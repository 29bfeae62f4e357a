import { Injectable } from '@nestjs/common';
import { Keyset, type Page } from '../common/pagination/keyset.js';
import { Database } from '../database/database.js';
import { GoogleResourceResponse, type ListGoogleResourcesQuery } from './dto/google-resource.dto.js';

/** What the organization's connections reach at Google, as of their last syncs. */
@Injectable()
export class GoogleResourcesService {
  constructor(private readonly database: Database) {}

  async list({
    limit,
    cursor,
    connectionId,
    kind,
  }: ListGoogleResourcesQuery): Promise<Page<GoogleResourceResponse>> {
    const keyset = new Keyset<'createdAt'>('createdAt', limit);
    const resources = await this.database.client.googleResource.findMany({
      where: { connectionId, kind, removedAt: null, AND: [keyset.after(cursor)] },
      ...keyset.arguments,
    });
    return keyset.page(resources, GoogleResourceResponse.of);
  }
}
