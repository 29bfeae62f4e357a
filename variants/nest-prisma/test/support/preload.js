// Jest cannot `require` an ES module while it links the graph that the module is a part of. These are required by packages
// that are CommonJS still (@nestjs/throttler, @nestjs/terminus, ...), so they are loaded before all else.
import 'reflect-metadata';
import '@nestjs/common';
import '@nestjs/core';
