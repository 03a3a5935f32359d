<?php

namespace Acme\Shop\Model;

use Acme\Shop\Attribute\Column;

class Product extends Entity
{
    public const DEFAULT = Status::Draft;

    #[Column('price')]
    public float $price = 0.0;

    public Status $status = self::DEFAULT;
}
