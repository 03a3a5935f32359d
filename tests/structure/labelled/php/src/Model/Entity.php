<?php

namespace Acme\Shop\Model;

use Acme\Shop\Exception\NotFound;

abstract class Entity
{
    protected ?int $id = null;

    public function id(): int
    {
        return $this->id ?? throw new NotFound(static::class);
    }
}
