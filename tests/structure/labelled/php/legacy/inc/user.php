<?php

class LegacyUser implements ArrayAccess
{
    public $name;

    public function __construct($name)
    {
        $this->name = legacy_escape($name);
    }

    public function offsetExists($key): bool
    {
        return isset($this->$key);
    }

    public function offsetGet($key): mixed
    {
        return $this->$key;
    }

    public function offsetSet($key, $value): void
    {
        throw new Exception('read only');
    }

    public function offsetUnset($key): void
    {
    }
}
