<?php

namespace Acme\Shop\Model;

class Item
{
    public function __construct(
        public readonly Product $product,
        public readonly int $count,
    ) {
    }

    public function price(): float
    {
        return $this->product->price * $this->count;
    }
}
