export const typeDefs = /* GraphQL */ `
  type Query {
    "A project that the caller may see, or null."
    project(id: ID!): Project
    "The projects of which the caller is a member, newest first."
    projects(limit: Int = 20, cursor: String): ProjectPage!
  }

  type Mutation {
    createProject(input: ProjectInput!): Project!
    "Changes a project that is still at this version."
    updateProject(id: ID!, version: Int!, changes: ProjectChanges!): Project!
    deleteProject(id: ID!, version: Int!): ID!
  }

  type Project {
    id: ID!
    ownerId: ID!
    name: String!
    description: String
    settings: ProjectSettings!
    version: Int!
    createdAt: String!
    updatedAt: String!
    "The members, those who joined first at the top; none where the caller is not one of them."
    members(limit: Int = 20): [Member!]!
  }

  type ProjectSettings {
    isPublic: Boolean!
    features: [String!]!
  }

  type Member {
    userId: ID!
    role: Role!
    createdAt: String!
  }

  enum Role {
    viewer
    editor
    admin
    owner
  }

  type ProjectPage {
    data: [Project!]!
    nextCursor: String
  }

  input ProjectInput {
    name: String!
    description: String
    settings: ProjectSettingsInput
  }

  input ProjectChanges {
    name: String
    description: String
    settings: ProjectSettingsInput
  }

  input ProjectSettingsInput {
    isPublic: Boolean!
    features: [String!]!
  }
`;
